"""What a repair makes sure of before it changes anything: that no host and no other row speaks against it.

One column that somebody changed by hand must not make a repair take away what runs.  Each function looks at rows in
the repair's own transaction, and at what the hosts said when they were asked last; who was not asked proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iaas.common import errors
from iaas.db import codec, hosts, instances
from iaas.db import jobs as job_rows
from iaas.db import repairs as db
from iaas.db.tx import Tx
from iaas.doctor.findings import HostTruth, Truth
from iaas.jobs.kinds import DELETES

SIZES = {"vcpus": ("vcpus",), "memory_mb": ("ram",), "disk_gb": ("disk", "ephemeral")}


class Impossible(errors.IaasError):
    """The rows do not prove what would have to be true."""

    kind = errors.Kind.CONFLICT
    template = "{reason}"


def with_guest(truth: Truth, server_id: str) -> list[str]:
    """Return the hosts that say they have a server's guest."""
    return sorted(name for name, host in truth.hosts.items() if server_id in (host.guests or ()))


def host_name(tx: Tx, host_id: str | None) -> str | None:
    """Return the name of a host's row, None if there is none."""
    return next((row.name for row in hosts.all_hosts(tx) if row.id == host_id), None)


def agreed_host(tx: Tx, row: Any, truth: Truth) -> str | None:
    """Return where a server is, None for nowhere.

    :raises Impossible: its host and its host's id name two hosts, or another host says that it has its guest.
    """
    named = host_name(tx, row.host_id)
    if named != row.host or (named is None and row.host_id is not None):
        raise Impossible(
            reason=f"Server {row.id} is on {row.host}, by its host's id on {named}: settle that first (I18)."
        )
    if elsewhere := [name for name in with_guest(truth, row.id) if name != row.host]:
        raise Impossible(reason=f"Server {row.id} is on {row.host}, and {', '.join(elsewhere)} has its guest.")
    return row.host


def no_guest_is_left(tx: Tx, truth: Truth, server_id: str, names: Sequence[str]) -> None:
    """Make sure that a server without a row has no guest, on any of these hosts above all.

    :raises Impossible: a host has its guest; or one of these did not say which it has, and no deletion ended there.
    """
    if there := with_guest(truth, server_id):
        raise Impossible(reason=f"{', '.join(there)} has the guest of server {server_id}, whose row is gone.")
    for name in names:
        silent = truth.hosts.get(name, HostTruth()).guests is None
        if silent and not deleted_on(tx, "instance", server_id, name):
            why = f"{name} did not say which guests it has, and no finished deletion proves that"
            raise Impossible(reason=f"{why} server {server_id} is gone.")


def not_used(tx: Tx, truth: Truth, port: Any) -> None:
    """Make sure that no server but the one a port names uses it.

    :raises Impossible: a server shows it, or a guest has its MAC.
    """
    if others := [row.id for row in db.showing(tx, port.id) if row.id != port.device_id]:
        raise Impossible(reason=f"Server {', '.join(others)} shows port {port.id}, whose row says {port.device_id}.")
    for guest in with_mac(truth, port.mac):
        if guest != port.device_id:
            raise Impossible(reason=f"The guest of server {guest} has the MAC of port {port.id}.")


def with_mac(truth: Truth, mac: str) -> list[str]:
    """Return the guests that are defined with a MAC."""
    found = {
        guest
        for host in truth.hosts.values()
        for guest, words in (host.definitions or {}).items()
        if mac in words.get("macs", ())
    }
    return sorted(found)


def asked_to_delete(tx: Tx, resource_type: str, resource_id: str) -> None:
    """Make sure that more than one column says that a resource is to be deleted.

    :raises Impossible: no job ever was to delete it.
    """
    names = [kind.name for kind in DELETES[resource_type]]
    if not any(job.kind in names or job.chain in names for job in job_rows.of_resource(tx, resource_id)):
        why = "Nothing but its state says that it is to be deleted: no job ever was to do it."
        raise Impossible(reason=f"{why} If it is, ask for its deletion again.")


def deleted_on(tx: Tx, resource_type: str, resource_id: str, host: str) -> bool:
    """Whether a deletion of a resource ended, and a job of it was on this host."""
    names = [kind.name for kind in DELETES[resource_type]]
    history = job_rows.of_resource(tx, resource_id)
    ended = any(job.kind in names and job.state == job_rows.DONE for job in history)
    return ended and any(job.host == host for job in history)


def of_its_flavor(row: Any) -> None:
    """Make sure that a server's size is the one it was made with.

    :raises Impossible: its columns and the flavor it keeps differ.
    """
    flavor = codec.load(row.flavor, {})
    for name, words in SIZES.items():
        wanted = sum(flavor.get(word, 0) for word in words)
        if getattr(row, name) != wanted:
            raise Impossible(reason=f"Its {name} is {getattr(row, name)}, its flavor says {wanted}: which is right?")


def resting(tx: Tx, instance_id: str) -> Any:
    """Return an instance that has no job, or None."""
    row = instances.find(tx, instance_id)
    return row if row is not None and job_rows.find_live(tx, "instance", instance_id) is None else None
