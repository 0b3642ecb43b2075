"""Launching: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from iaas.api.ec2 import errors, ids, images, instance_types, instances, keypairs, query, tags
from iaas.api.ec2.action import Actions, Call
from iaas.api.ec2.views import instances as views
from iaas.compute.api import ec2, hosts
from iaas.compute.api import servers as core
from iaas.db import security_groups
from iaas.network.api.servers import Wanted

actions = Actions()
errors.declare(core.TokenMismatch, errors.IdempotentParameterMismatch)
errors.declare(core.TokenSpent, errors.IdempotentInstanceTerminated)
errors.declare(core.ImageNotUsable, errors.InvalidAmiIdUnavailable)
errors.declare(core.FlavorTooSmall, errors.InvalidParameterCombination)
errors.declare(security_groups.GroupNotFound, errors.InvalidGroupNotFound)

DEFAULT_TYPE = "m1.small"
DEFAULT_NAME = "ec2-instance"
MAX_COUNT = 1000
MAX_USER_DATA = 65_535  # of base64, as the row keeps it: three times what EC2 takes
MAX_TOKEN = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: what is read; what else the published action takes is refused, never ignored
SERVED = {
    "ClientToken", "DryRun", "ImageId", "InstanceType", "KeyName", "MaxCount", "MinCount", "NetworkInterface",
    "Placement", "PrivateIpAddress", "SecurityGroup", "SecurityGroupId", "SubnetId", "TagSpecification", "UserData",
}  # fmt: skip
#: what may be asked for because it is how instances are here anyway
AS_IT_IS: Mapping[str, Any] = {
    "DisableApiStop": False,
    "DisableApiTermination": False,
    "EbsOptimized": False,
    "InstanceInitiatedShutdownBehavior": "stop",
    "Monitoring": {"Enabled": False},
}
INTERFACE = {
    "DeviceIndex", "SubnetId", "SecurityGroupId", "PrivateIpAddress", "DeleteOnTermination", "AssociatePublicIpAddress"
}  # fmt: skip


@actions.action("RunInstances", policy="compute:servers:create", checks_dry_run=True)
def run_instances(call: Call) -> dict[str, Any]:
    """Launch instances: between MinCount and MaxCount, as many as the quota allows."""
    new = _new_servers(call)
    core.check_metadata(call.clients, new.metadata or {})
    made = core.create(call.clients, call.ctx, new, dry_run=call.dry_run)
    call.stop_if_dry_run()
    rows = [SimpleNamespace(**{"zone": None, "launched_at": None, "fault": None, **row}) for row in made.rows]
    shown = views.reservation(made.reservation_id, rows, instances.group_ids(call, rows))
    return {**shown, "ownerId": call.ctx.project_id}


def _new_servers(call: Call) -> core.NewServers:
    params = call.params
    _refuse_unserved(params)
    low, high = params["MinCount"], params["MaxCount"]
    if not 1 <= low <= high <= MAX_COUNT:
        reason = f"1 <= MinCount <= MaxCount <= {MAX_COUNT} must hold"
        raise errors.InvalidParameterValue(name="MinCount", reason=reason)
    if "ImageId" not in params:
        raise errors.MissingParameter(name="ImageId")
    metadata = _tags(params)
    name = _CONTROL.sub(" ", metadata.get("Name", "")).strip()
    interface = _interface(params)
    return core.NewServers(
        name=name or DEFAULT_NAME,
        flavor_id=instance_types.flavor(call, params.get("InstanceType", DEFAULT_TYPE)).id,
        image_id=images.resolve(call, params["ImageId"]),
        min_count=low,
        max_count=high,
        key_name=keypairs.checked(call, params["KeyName"]) if params.get("KeyName") else None,
        metadata=metadata,
        user_data=_user_data(params),
        zone=_zone(call),
        networks=_networks(call, interface),
        security_groups=_groups(call, interface),
        client_token=_client_token(params),
    )


def _refuse_unserved(params: Mapping[str, Any]) -> None:
    """:raises UnsupportedOperation: names the first parameter this cloud can do nothing about."""
    for name in sorted(params.keys() - SERVED):
        if name not in AS_IT_IS or params[name] != AS_IT_IS[name]:
            raise errors.UnsupportedOperation(message=f"The parameter {name} is not supported by this cloud.")
    for name, value in params.get("Placement", {}).items():
        if name != "AvailabilityZone" and (name, value) not in (("Tenancy", "default"), ("GroupName", "")):
            raise errors.UnsupportedOperation(message=f"The parameter Placement.{name} is not supported by this cloud.")


def _tags(params: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in params.get("TagSpecification", []):
        kind = each.get("ResourceType")
        if kind != "instance":
            raise errors.UnsupportedOperation(message=f"Resources of the type {kind} cannot be tagged at launch.")
        found |= tags.read(each.get("Tag", []), taken=found)
    return found


def _interface(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one interface asked for, whichever of the two ways it was.

    :raises UnsupportedOperation: several, or one of a kind there is not.
    """
    flat = {name: params[name] for name in ("SubnetId", "PrivateIpAddress", "SecurityGroupId") if name in params}
    listed = params.get("NetworkInterface", [])
    if not listed:
        return flat
    if flat or "SecurityGroup" in params:
        message = "Subnets, addresses and groups are given of the interface, or of the instance, not both."
        raise errors.InvalidParameterCombination(message=message)
    wanted = listed[0]
    unserved = sorted(wanted.keys() - INTERFACE)
    if len(listed) > 1 or unserved or wanted.get("DeviceIndex", 0) != 0:
        raise errors.UnsupportedOperation(message=f"Not supported of interfaces: {unserved or 'more than one'}.")
    if wanted.get("AssociatePublicIpAddress") or wanted.get("DeleteOnTermination") is False:
        message = "An interface made with an instance ends with it, and gets its public address later."
        raise errors.UnsupportedOperation(message=message)
    return wanted


def _networks(call: Call, interface: Mapping[str, Any]) -> Any:
    if "SubnetId" not in interface:
        if "PrivateIpAddress" in interface:
            raise errors.InvalidParameterCombination(message="PrivateIpAddress needs a SubnetId.")
        return "default"
    ec2_id = interface["SubnetId"]
    rows = ec2.starting(call.clients, call.ctx, "subnet", [ids.prefix("subnet", ec2_id)])
    if not rows:
        raise ids.not_found("subnet", ec2_id)
    return (Wanted(rows[0].network_id, fixed_ip=interface.get("PrivateIpAddress")),)


def _groups(call: Call, interface: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids and names of security groups, each known to be there; the default group may be about to be made.

    :raises InvalidGroupNotFound: names the first that is not the project's.
    """
    wanted = interface.get("SecurityGroupId", [])
    prefixes = {ids.prefix("security_group", each): each for each in wanted}
    found = [row.id for row in ec2.starting(call.clients, call.ctx, "security_group", list(prefixes))]
    for prefix, ec2_id in prefixes.items():
        if not any(group_id.startswith(prefix) for group_id in found):
            raise errors.InvalidGroupNotFound(id=ec2_id)
    names = call.params.get("SecurityGroup", [])
    known = ec2.group_ids(call.clients, call.ctx, names)
    for name in names:
        if name not in known and name != "default":
            raise errors.InvalidGroupNotFound(id=name[:255])
    return (*found, *names)


def _user_data(params: Mapping[str, Any]) -> str | None:
    given = params.get("UserData")
    if not given:
        return None
    text = base64.b64encode(query.decode_base64("UserData", given)).decode()
    if len(text) > MAX_USER_DATA:
        raise errors.InvalidParameterValue(name="UserData", reason=f"it is over {MAX_USER_DATA} bytes of base64")
    return text


def _zone(call: Call) -> str | None:
    wanted = call.params.get("Placement", {}).get("AvailabilityZone")
    if not wanted:
        return None
    known = [zone.name for zone in hosts.zones(call.clients, call.ctx) if zone.name != hosts.INTERNAL]
    if wanted not in known:
        reason = f"there is no availability zone [{wanted[:80]}]"
        raise errors.InvalidParameterValue(name="Placement.AvailabilityZone", reason=reason)
    return wanted


def _client_token(params: Mapping[str, Any]) -> str | None:
    given = params.get("ClientToken")
    if not given:
        return None
    if len(given) > MAX_TOKEN or not given.isascii():
        reason = f"it is not at most {MAX_TOKEN} characters of ASCII"
        raise errors.InvalidParameterValue(name="ClientToken", reason=reason)
    return given
