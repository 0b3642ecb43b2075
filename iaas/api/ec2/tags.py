"""Tags of instances, which are their metadata: the same data as Compute's.

A key may have characters here that Compute refuses in a request (``kubernetes.io/cluster/a``); it shows them all.
Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iaas.api.ec2 import errors, filters, ids, instances, pages
from iaas.api.ec2.action import Actions, Call
from iaas.api.ec2.views import instances as views
from iaas.compute.api import ec2 as core

actions = Actions()

MAX_KEY, MAX_VALUE = 127, 255
RESERVED = "aws:"
INSTANCE = "instance"
#: behind every key there can be
ALL = "\U0010ffff"

Tag = tuple[str, str, str]  # instance, key, value
FILTERS: dict[str, filters.Read] = {
    "key": lambda tag: [tag[1]],
    "resource-id": lambda tag: [tag[0]],
    "resource-type": lambda tag: [INSTANCE],
    "value": lambda tag: [tag[2]],
}


def read(given: Sequence[Mapping[str, str]], *, taken: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of a request.

    :raises InvalidParameterValue: a key given twice, too long, reserved or empty, or a value that is too long.
    """
    found: dict[str, str] = {}
    for each in given:
        key, value = each.get("Key", ""), each.get("Value", "")
        if not 1 <= len(key) <= MAX_KEY or key.lower().startswith(RESERVED):
            reason = f"it has 1 to {MAX_KEY} characters and does not begin with {RESERVED}"
            raise errors.InvalidParameterValue(name="Tag.Key", reason=reason)
        if len(value) > MAX_VALUE:
            raise errors.InvalidParameterValue(name="Tag.Value", reason=f"it has at most {MAX_VALUE} characters")
        if key in found or key in (taken or {}):
            raise errors.InvalidParameterValue(name="Tag.Key", reason=f"{key} was given twice")
        found[key] = value
    return found


def _tagged(call: Call) -> list[str]:
    """The instances a request names.

    :raises UnsupportedOperation: something else is named, which has no tags here.
    """
    for each in call.params["ResourceId"]:
        kind = ids.kind_of(each)
        if kind != INSTANCE:
            message = f"'{each}' cannot have tags: only instances can in this cloud."
            raise errors.UnsupportedOperation(message=message)
    return instances.instance_ids(call, "ResourceId")


@actions.action("CreateTags", policy="compute:servers:metadata")
def create_tags(call: Call) -> None:
    """Set tags of instances: of all of those named, or of none."""
    wanted = read(call.params["Tag"])
    with instances.told_by_ec2_ids():
        core.set_tags(call.clients, call.ctx, _tagged(call), wanted)


@actions.action("DeleteTags", policy="compute:servers:metadata")
def delete_tags(call: Call) -> None:
    """Take tags off instances: those named, those that have the value named, or all."""
    given = call.params.get("Tag")
    wanted = None
    if given is not None:
        if not all(each.get("Key") for each in given):
            raise errors.MissingParameter(name="Tag.Key")
        wanted = [(each["Key"], each.get("Value")) for each in given]
    with instances.told_by_ec2_ids():
        core.remove_tags(call.clients, call.ctx, _tagged(call), wanted)


@actions.action("DescribeTags", policy="compute:servers:index")
def describe_tags(call: Call) -> dict[str, Any]:
    """Show the tags of the project's instances, one by one."""
    most = pages.size(call.params)
    matches = filters.matcher(filters.wanted(call.params), FILTERS, lambda tag: {tag[1]: tag[2]})
    found: list[dict[str, str]] = []
    token = None
    for tag, place in _tags(call):
        if tag is not None and not matches(tag):
            continue
        if len(found) == most:
            break
        token = place
        if tag is None:
            break
        found.append({"resourceId": tag[0], "resourceType": INSTANCE, "key": tag[1], "value": tag[2]})
    else:
        token = None
    return {"tagSet": found, "nextToken": token}


def _tags(call: Call) -> Iterator[tuple[Tag | None, str]]:
    """The tags behind the request's position, each with the token that goes on behind it.

    A position is an instance and the last key shown of it.
    """
    gone, at, last_id, last_key = pages.position(call.params, bool, float, str, str) or (False, 0.0, "", "")
    # an id with a letter behind it is greater than itself: the list begins with the instance, not behind it
    after = core.After(gone, (at, last_id + "g")) if last_id else None
    for row, here in core.listed(call.clients, call.ctx, (), lambda row: row.metadata != "{}", after):
        if row is None:
            yield None, pages.token(here.gone, *here.position, ALL)
            return
        if row.vm_state == core.TERMINATED:
            return  # what is gone has no tags any more
        shown = last_key if row.id == last_id else ""
        for key, value in sorted(views.tags(row).items()):
            if key > shown:
                yield (row.ec2_id, key, value), pages.token(here.gone, *here.position, key)
