"""Everything a cloud in one folder needs before its daemons start: configuration, secrets, databases, first rows.

    DIR/iaas.conf      the configuration of this cloud, with its secrets (0600)
    DIR/openrc, DIR/clouds.yaml, DIR/ec2rc    how to be its administrator

Used by the embedded cloud (`iaas-all`), and for clouds of separate daemons on one machine by the tools and tests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iaas.common import conf, context, runtime
from iaas.common.conf import admin
from iaas.common.rest import wire
from iaas.db import migrate

PORTS = {
    "identity.port": 5000, "image.port": 9292, "api.compute_port": 8774, "api.ec2_port": 8773,
    "api.metadata_port": 8775, "api.volume_port": 8776, "api.network_port": 9696, "compute.agent_port": 8779,
    "console.port": 6080, **{f"admin.{name}_port": port for name, port in admin.PORTS.items()},
}  # fmt: skip
FLAVORS = (
    ("m1.nano", 1, 128, 1), ("m1.micro", 1, 192, 1), ("m1.tiny", 1, 512, 1), ("m1.small", 1, 2048, 20),
    ("m1.medium", 2, 4096, 40), ("m1.large", 4, 8192, 80), ("m1.xlarge", 8, 16384, 160),
)  # fmt: skip
REGION = "RegionOne"
HERE = "http://127.0.0.1:{}"


def prepare(folder: Path, values: Mapping[str, Any], secrets: Mapping[str, str]) -> conf.Settings:
    """Write ``folder/iaas.conf``, bring the databases to this release, make the first rows, and write the rc files.

    What is there already is left, so it may be run again.

    :param values: ``group.option`` → value
    :param secrets: of :func:`secrets`
    """
    file = folder / "iaas.conf"
    text = configuration(values)
    if not file.exists() or file.read_text() != text:
        write(file, text)
    settings = conf.load([file])
    for name, url in databases(settings).items():
        migrate.sync(name, url)
    _bootstrap(settings, secrets, folder)
    return settings


def databases(settings: Any) -> dict[str, str]:
    """Return the URL of each of the three databases."""
    d = settings.database
    return {"controller": d.url, "identity": d.identity_url, "image": d.image_url}


def secrets(folder: Path) -> dict[str, str]:
    """Return the passwords of this cloud: made once, kept in ``folder/secrets``."""
    file = folder / "secrets"
    kept = dict(line.split("=", 1) for line in file.read_text().splitlines()) if file.exists() else {}
    for name in ("admin", "service", "metadata", "agent"):
        kept.setdefault(name, runtime.secret_bytes(18).hex())
    write(file, "".join(f"{name}={value}\n" for name, value in kept.items()))
    return kept


def common_values(folder: Path, port_offset: int, made: Mapping[str, str]) -> dict[str, Any]:
    """Return the options every cloud in one folder has: ports, addresses, secrets, folders, SQLite files.

    :param made: of :func:`secrets`
    """
    ports = {name: port + port_offset for name, port in PORTS.items()}
    return {
        **ports,
        "database.url": f"sqlite:///{folder}/controller.sqlite",
        "database.identity_url": f"sqlite:///{folder}/identity.sqlite",
        "database.image_url": f"sqlite:///{folder}/image.sqlite",
        "identity.url": HERE.format(ports["identity.port"]),
        "identity.password": made["service"],
        "identity.key_dir": folder / "token-keys",
        "identity.credential_key_dir": folder / "credential-keys",
        "image.url": HERE.format(ports["image.port"]),
        "image.store_dir": folder / "images",
        "compute.state_dir": folder / "compute",
        "compute.agent_secret": made["agent"],
        "compute.reserved_memory_mb": 0,
        "network.state_dir": folder / "network",
        "network.metadata_url": HERE.format(ports["api.metadata_port"]),
        "network.metadata_secret": made["metadata"],
        "volume.state_dir": folder / "volumes",
        "console.url": "ws://127.0.0.1:{}".format(ports["console.port"]),
    }


def configuration(values: Mapping[str, Any]) -> str:
    """Return the text of a configuration file."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        group, option = name.split(".")
        groups.setdefault(group, []).append(f"{option} = {value}\n")
    head = "# Written when this cloud was made; change options with --set group.option=value.\n"
    return head + "".join(f"\n[{group}]\n" + "".join(sorted(lines)) for group, lines in sorted(groups.items()))


def endpoints(settings: Any) -> dict[str, tuple[str, str]]:
    """Return the catalog of this cloud: service type → (name, URL)."""
    a = settings.api
    base = wire.public_url(settings, 0).removesuffix("0")
    return {
        "identity": ("keystone", f"{base}{settings.identity.port}/v3"),
        "image": ("glance", f"{base}{settings.image.port}"),
        "compute": ("nova", f"{base}{a.compute_port}/v2.1"),
        "network": ("neutron", f"{base}{a.network_port}"),
        "volumev3": ("cinderv3", f"{base}{a.volume_port}/v3/$(project_id)s"),
        "block-storage": ("cinder", f"{base}{a.volume_port}/v3/$(project_id)s"),
        "ec2": ("ec2", f"{base}{a.ec2_port}"),
    }


def _bootstrap(settings: Any, made: Mapping[str, str], folder: Path) -> None:
    from iaas.cmd import seed
    from iaas.db.tx import Database
    from iaas.identity import clients as identity_clients
    from iaas.identity import keys
    from iaas.identity.bootstrap import bootstrap

    identity_db = Database(settings.database.identity_url)
    keys.create(settings.identity.key_dir)
    keys.create(settings.identity.credential_key_dir)
    vault = identity_clients.make(settings, identity_db).vault
    first = bootstrap(
        identity_db,
        settings,
        password=made["admin"],
        service_password=made["service"],
        endpoints=endpoints(settings),
    )
    ctx = context.RequestContext("req-bootstrap", project_id=first.project_id, roles=("admin",), is_admin=True)
    access, secret = identity_db.write(ctx, seed.ec2_credential, vault, first.user_id, first.project_id)
    identity_db.close()
    database = Database(settings.database.url)
    database.write(ctx, seed.flavors, FLAVORS)
    database.write(ctx, seed.default_network, first.project_id)
    database.write(ctx, seed.unlimited, first.project_id)
    database.close()
    _write_rc(settings, made, folder, access, secret)


def _write_rc(settings: Any, made: Mapping[str, str], folder: Path, access: str, secret: str) -> None:
    url = wire.public_url(settings, settings.identity.port) + "/v3"
    ec2 = wire.public_url(settings, settings.api.ec2_port)
    account = {
        "OS_AUTH_URL": url, "OS_USERNAME": "admin", "OS_PASSWORD": made["admin"], "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": REGION,
        "OS_IDENTITY_API_VERSION": "3", "OS_INTERFACE": "public",
    }  # fmt: skip
    write(folder / "openrc", "".join(f"export {name}={value}\n" for name, value in account.items()))
    write(
        folder / "clouds.yaml",
        "clouds:\n  iaas:\n    auth:\n"
        f"      auth_url: {url}\n      username: admin\n      password: {made['admin']}\n"
        "      project_name: admin\n      user_domain_name: Default\n      project_domain_name: Default\n"
        f"    region_name: {REGION}\n    interface: public\n    identity_api_version: 3\n",
    )
    account = {
        "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_EC2": ec2, "EC2_URL": ec2,
    }  # fmt: skip
    write(folder / "ec2rc", "".join(f"export {name}={value}\n" for name, value in account.items()))


def write(file: Path, text: str) -> None:
    """Replace a private file as a whole."""
    temporary = file.with_name(file.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    temporary.replace(file)
