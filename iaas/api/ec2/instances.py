"""Instances: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/OperationList-query-ec2.html"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from iaas.api.ec2 import errors, filters, ids, pages
from iaas.api.ec2.action import Actions, Call
from iaas.api.ec2.views import instances as views
from iaas.common.errors import IaasError
from iaas.compute.api import ec2 as core
from iaas.db import codec, instances
from iaas.db.instances import Condition
from iaas.jobs.submit import Busy

actions = Actions()
errors.declare(instances.InstanceNotFound, errors.InvalidInstanceIdNotFound)
errors.declare(Busy, errors.IncorrectInstanceState)

MAX_IDS = 1000
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.ASCII)


def _nics(read: Callable[[Mapping[str, Any]], Any]) -> filters.Read:
    return lambda row: [read(nic) for nic in views.nics(row)]


#: the filters of DescribeInstances, and how each reads an instance
FILTERS: dict[str, filters.Read] = {
    "architecture": lambda row: [views.architecture(row)],
    "availability-zone": lambda row: [views.zone(row)],
    "image-id": lambda row: [views.image_id(row)],
    "instance-id": lambda row: [row.ec2_id],
    "instance-state-code": lambda row: [views.state(row)["code"]],
    "instance-state-name": lambda row: [core.word(row)],
    "instance-type": lambda row: [views.instance_type(row)],
    "instance.group-name": lambda row: codec.load(row.security_groups, []),
    "group-name": lambda row: codec.load(row.security_groups, []),
    "ipv6-address": lambda row: views.addresses(row, 6),
    "key-name": lambda row: [row.key_name],
    "launch-index": lambda row: [row.launch_index],
    "launch-time": lambda row: [views.moment(row.created_at).strftime("%Y-%m-%dT%H:%M:%S.000Z")],
    "monitoring-state": lambda row: ["disabled"],
    "network-interface.addresses.private-ip-address": lambda row: views.addresses(row, 4),
    "network-interface.mac-address": _nics(lambda nic: nic["mac"]),
    "network-interface.network-interface-id": _nics(lambda nic: ids.to_ec2("port", nic["port_id"])),
    "network-interface.subnet-id": _nics(views.subnet_id),
    "network-interface.vpc-id": _nics(lambda nic: ids.to_ec2("network", nic["network_id"])),
    "owner-id": lambda row: [row.project_id],
    "private-dns-name": lambda row: [row.hostname],
    "private-ip-address": lambda row: views.addresses(row, 4),
    "reservation-id": lambda row: [row.reservation_id],
    "root-device-name": lambda row: [views.ROOT_DEVICE],
    "root-device-type": lambda row: [views.STORE],
    "subnet-id": _nics(views.subnet_id),
    "tenancy": lambda row: ["default"],
    "virtualization-type": lambda row: [views.VIRTUALIZATION],
    "vpc-id": _nics(lambda nic: ids.to_ec2("network", nic["network_id"])),
}
#: those the database compares itself, where they have no wildcards
COLUMNS = {"instance-id": "ec2_id", "key-name": "key_name", "reservation-id": "reservation_id"}


@actions.action("DescribeInstances", policy="compute:servers:index")
def describe_instances(call: Call) -> dict[str, Any]:
    """Show instances, and those terminated within the last hour."""
    most = pages.size(call.params, "InstanceId")
    given = filters.wanted(call.params)
    matches = filters.matcher(given, FILTERS, views.tags)
    if call.params.get("InstanceId"):
        found = core.found(call.clients, call.ctx, instance_ids(call))
        rows, token = [row for row in found if matches(row)], None
    else:
        rows, token = _page(call, given, matches, most)
    return {"reservationSet": views.reservations(rows, group_ids(call, rows)), "nextToken": token}


def _page(
    call: Call, given: Mapping[str, Sequence[str]], matches: Callable[[Any], bool], most: int
) -> tuple[list[Any], str | None]:
    conditions = [
        Condition(COLUMNS[name], "in", values)
        for name, values in given.items()
        if name in COLUMNS and filters.exact(values)
    ]
    rows: list[Any] = []
    token = None
    chunk = core.CHUNK if given else min(most + 1, core.CHUNK)
    for row, after in core.listed(call.clients, call.ctx, conditions, matches, position(call), chunk):
        if len(rows) == most:
            return rows, token
        token = pages.token(after.gone, *after.position)
        if row is None:
            return rows, token
        rows.append(row)
    return rows, None


def position(call: Call) -> core.After | None:
    """Where the request's NextToken says the list goes on."""
    found = pages.position(call.params, bool, float, str)
    return None if found is None else core.After(found[0], (found[1], found[2]))


def group_ids(call: Call, rows: Sequence[Any]) -> dict[str, str]:
    """The ids of the security groups that these instances name, in one query."""
    names = {name for row in rows for name in codec.load(row.security_groups, [])}
    return core.group_ids(call.clients, call.ctx, sorted(names))


def instance_ids(call: Call, name: str = "InstanceId") -> list[str]:
    """The instance ids of a request, each once.

    :raises InvalidInstanceIdMalformed: one that no instance can have.
    """
    given = list(dict.fromkeys(call.params[name]))
    if len(given) > MAX_IDS:
        raise errors.InvalidParameterValue(name=name, reason=f"there are more than {MAX_IDS}")
    return [ids.check("instance", each) for each in given]


@contextlib.contextmanager
def told_by_ec2_ids() -> Iterator[None]:
    """Says the EC2 ids of instances where an error of the core says their UUIDs."""
    try:
        yield
    except IaasError as exc:
        told = errors.translate(exc)
        if _UUID.search(told.message) is None:
            raise
        raise type(told).saying(_UUID.sub(lambda found: ids.to_ec2("instance", found[0]), told.message)) from exc


@actions.action("TerminateInstances", policy="compute:servers:delete")
def terminate_instances(call: Call) -> dict[str, Any]:
    """Terminate instances: all of those named, or none."""
    with told_by_ec2_ids():
        changed = core.terminate(call.clients, call.ctx, instance_ids(call))
    return {"instancesSet": [views.change(*each) for each in changed]}


@actions.action("StartInstances", policy="compute:servers:power")
def start_instances(call: Call) -> dict[str, Any]:
    """Start stopped instances: all of those named, or none."""
    if "AdditionalInfo" in call.params:
        raise errors.UnsupportedOperation(message="AdditionalInfo is reserved.")
    with told_by_ec2_ids():
        changed = core.start(call.clients, call.ctx, instance_ids(call))
    return {"instancesSet": [views.change(*each) for each in changed]}


@actions.action("StopInstances", policy="compute:servers:power")
def stop_instances(call: Call) -> dict[str, Any]:
    """Stop running instances: all of those named, or none."""
    if call.params.get("Hibernate"):
        raise errors.UnsupportedOperation(message="Instances of this cloud cannot hibernate.")
    force = call.params.get("Force", False) or call.params.get("SkipOsShutdown", False)
    with told_by_ec2_ids():
        changed = core.stop(call.clients, call.ctx, instance_ids(call), force=force)
    return {"instancesSet": [views.change(*each) for each in changed]}


@actions.action("RebootInstances", policy="compute:servers:power")
def reboot_instances(call: Call) -> None:
    """Reboot running instances: all of those named, or none."""
    with told_by_ec2_ids():
        core.reboot(call.clients, call.ctx, instance_ids(call))
