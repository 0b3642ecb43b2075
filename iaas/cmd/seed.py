"""The first contents of an embedded cloud: flavors, a network everybody may use, and an EC2 credential.

Each can be run again: what is there is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from types import SimpleNamespace

from iaas.common import runtime
from iaas.db import codec, quotas
from iaas.db import flavors as flavor_rows
from iaas.db import networks as network_rows
from iaas.db.identity import credentials
from iaas.db.tx import Tx
from iaas.identity.clients import Vault
from iaas.network.api import networks, subnets

NETWORK = "shared"
CIDR = "10.20.0.0/20"
UNLIMITED = SimpleNamespace(networks=-1, subnets=-1, security_groups=-1, security_group_rules=-1)


def flavors(tx: Tx, table: Sequence[tuple[str, int, int, int]]) -> None:
    """Add the flavors (name, virtual CPUs, MiB of memory, GiB of disk) that are not there."""
    there = {row.name for row in flavor_rows.by_names(tx, [row[0] for row in table])}
    for number, (name, vcpus, memory_mb, disk_gb) in enumerate(table, start=1):
        if name not in there:
            flavor_rows.add(
                tx,
                id=str(number),
                name=name,
                vcpus=vcpus,
                memory_mb=memory_mb,
                disk_gb=disk_gb,
                is_public=True,
                extra_specs="{}",
                created_at=runtime.time(),
            )


def default_network(tx: Tx, project_id: str) -> None:
    """Add the network of those who name none, shared by all projects."""
    if network_rows.for_servers(tx, None):
        return
    new = networks.NewNetwork(NETWORK, project_id, "For everybody", shared=True, is_default=True)
    made = networks.add(tx, UNLIMITED, [new])[0]
    subnets.add(tx, UNLIMITED, subnets.NewSubnet(made.row.id, CIDR, 4, name=NETWORK))


def unlimited(tx: Tx, project_id: str) -> None:
    """Give the administrator's own project no limits."""
    for resource in ("instances", "cores", "ram", "ports", "volumes", "gigabytes"):
        quotas.set_limit(tx, project_id, resource, quotas.UNLIMITED)


def ec2_credential(tx: Tx, vault: Vault, user_id: str, project_id: str) -> tuple[str, str]:
    """Return the access and secret key of the user's first EC2 credential, made if there is none."""
    for row in credentials.of_user(tx, user_id, "ec2"):
        if row.project_id == project_id:
            kept = codec.load(vault.open(row.blob))
            return kept["access"], kept["secret"]
    access, secret = runtime.secret_bytes(16).hex(), runtime.secret_bytes(16).hex()
    digest = hashlib.sha256(access.encode()).hexdigest()
    credentials.add(
        tx,
        id=digest,
        lookup=digest,
        user_id=user_id,
        project_id=project_id,
        type="ec2",
        blob=vault.seal(codec.dump({"access": access, "secret": secret, "trust_id": None})),
        extra="{}",
    )
    return access, secret
