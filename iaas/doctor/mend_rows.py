"""Repairs of what rows count and hold: room on hosts, quotas, ports and addresses."""

from __future__ import annotations

from typing import Any

from iaas.common import runtime
from iaas.db import codec, instances, ports, repairs
from iaas.db import jobs as job_rows
from iaas.db.models.networks import ports as port_rows
from iaas.db.tx import Tx
from iaas.doctor import proof
from iaas.doctor.case import is_servers
from iaas.doctor.findings import HostTruth
from iaas.doctor.hands import Hands
from iaas.doctor.images import WITH_BYTES
from iaas.doctor.networks import by_port
from iaas.doctor.proof import Impossible


def release_allocations(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    row = instances.find(tx, instance_id)
    if row is not None:
        proof.agreed_host(tx, row, hands.truth)
        if row.host_id is not None and row.host_id not in [one.host_id for one in repairs.allocations_of(tx, row.id)]:
            raise Impossible(reason=f"What is sold to it elsewhere is all it has: it has no room on {row.host} yet.")
    else:
        sold = repairs.allocations_of(tx, instance_id)
        proof.no_guest_is_left(tx, hands.truth, instance_id, [one.name for one in sold if one.name])
    return repairs.release_allocations(tx, instance_id)


def sell(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    """Give a server the allocation it should have, and count its host anew."""
    row = instances.find(tx, instance_id)
    if row is None or row.host_id is None:
        return False
    if job_rows.find_live(tx, "instance", instance_id) is not None:
        raise Impossible(reason="A job works on it; see what comes of that.")
    where = proof.agreed_host(tx, row, hands.truth)
    proof.of_its_flavor(row)
    if not repairs.sell(tx, row):
        return False
    if where is not None:
        repairs.recount_host(tx, where)
    return True


def recount_host(hands: Hands, tx: Tx, name: str, host: str | None) -> bool:
    if lost := [row.id for row in repairs.unsold(tx, name)]:
        why = "so that their room is not sold again"
        raise Impossible(reason=f"Settle first what is sold to server {', '.join(lost)} (I4), {why}.")
    return repairs.recount_host(tx, name)


def recount_quota(hands: Hands, tx: Tx, owner: str, host: str | None) -> bool:
    return repairs.recount_quota(tx, owner, hands.quota)


def recount_images(hands: Hands, tx: Tx, owner: str, host: str | None) -> bool:
    return repairs.recount_images(tx, "" if owner == "(none)" else owner, WITH_BYTES)


def release_ports(hands: Hands, tx: Tx, port_id: str, host: str | None) -> bool:
    port = ports.by_ids(tx, [port_id]).get(port_id)
    if port is None or not port.device_owner.startswith(ports.COMPUTE_OWNER) or not port.device_id:
        return False
    if instances.find(tx, port.device_id) is not None:
        return False
    all_of_it = [row for row in repairs.ports_of(tx, port.device_id) if is_servers(row)]
    bound = sorted({row.host for row in all_of_it if row.host})
    proof.no_guest_is_left(tx, hands.truth, port.device_id, bound)
    for row in all_of_it:
        proof.not_used(tx, hands.truth, row)
        repairs.touch(tx, port_rows, row.id, runtime.time())
    ports.release(tx, port.device_id)
    return True


def free_address(hands: Hands, tx: Tx, address: str, host: str | None) -> bool:
    for row in repairs.lost_addresses(tx, address):
        shown = [*repairs.showing(tx, row.port_id), *_showing_address(tx, row.network_id, address)]
        if shown:
            raise Impossible(reason=f"Server {shown[0].id} shows it: its port {row.port_id} is lost, not let go.")
        for name, found in hands.truth.hosts.items():
            mac = (found.leases or {}).get(row.network_id, {}).get(address)
            if mac is not None and (guests := proof.with_mac(hands.truth, mac)):
                raise Impossible(reason=f"{name} gives it to {mac}, which the guest of server {guests[0]} has.")
    return repairs.free_address(tx, address)


def _showing_address(tx: Tx, network_id: str | None, address: str) -> list[Any]:
    return list(repairs.showing(tx, f'"{address}"', network_id or ""))


def bind_port(hands: Hands, tx: Tx, port_id: str, host: str | None) -> bool:
    port = ports.by_ids(tx, [port_id]).get(port_id)
    row = proof.resting(tx, port.device_id) if port is not None and is_servers(port) else None
    if port is None or row is None or port.host == row.host:
        return False
    where = proof.agreed_host(tx, row, hands.truth)
    proof.not_used(tx, hands.truth, port)
    return ports.update(tx, port_id, host=where, status=ports.DOWN, error=None, updated_at=runtime.time())


def refresh_addresses(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    row = proof.resting(tx, instance_id)
    if row is None:
        return False
    shown, now = codec.load(row.network_info, []), ports.network_info(tx, instance_id)
    if by_port(shown) == by_port(now):
        return False
    _nothing_is_forgotten(hands, tx, row, shown, now)
    ports.refresh_instance(tx, instance_id)
    return True


def _nothing_is_forgotten(hands: Hands, tx: Tx, row: Any, shown: list[Any], now: list[Any]) -> None:
    """What a server shows may be all that is left to tell of what it has.

    :raises Impossible: it shows a port that its guest has, or may have, or an address that is not free.
    """
    own, before, after = {nic["port_id"] for nic in now}, by_port(shown), by_port(now)
    for nic in shown:
        port_id = nic["port_id"]
        words = (hands.truth.hosts.get(row.host or "", HostTruth()).definitions or {}).get(row.id)
        in_doubt = row.host is not None or port_id in ports.by_ids(tx, [port_id])
        if port_id not in own and in_doubt and (words is None or nic["mac"] in words.get("macs", ())):
            raise Impossible(reason=f"It shows port {port_id}, which is no port of it by its row, and may be in use.")
    networks = {nic["port_id"]: nic.get("network_id") for nic in (*shown, *now)}
    for port_id, network_id in networks.items():
        for address in set(before.get(port_id, ())) ^ set(after.get(port_id, ())):
            holders = [one.port_id for one in repairs.having(tx, network_id or "", address) if one.port_id != port_id]
            others = [one.id for one in _showing_address(tx, network_id, address) if one.id != row.id]
            if holders or others:
                whose = f"port {holders[0]} has it" if holders else f"server {others[0]} shows it"
                raise Impossible(reason=f"Its address {address} is told of twice: {whose}. Look which is right.")
