"""EC2 ids of the cloud's resources, and back to what finds the row.

An EC2 id is a prefix that names the kind and the first 17 hexadecimal digits of the row's UUID.  It is
computed, not stored: those digits are also how the UUID in the row begins, so a range over the primary key
finds it.  (62 of the digits' 68 bits are random in a version 4 UUID.)

Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iaas.api.ec2 import errors

_DIGITS = re.compile(r"[0-9a-f]{17}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True)
class IdKind:
    """One kind of id: what it begins with, and what a client is told of a bad or an unknown one."""

    prefix: str
    malformed: type[errors.Malformed]
    not_found: type[errors.Missing]


KINDS: dict[str, IdKind] = {
    "instance": IdKind("i", errors.InvalidInstanceIdMalformed, errors.InvalidInstanceIdNotFound),
    "reservation": IdKind("r", errors.InvalidInstanceIdMalformed, errors.InvalidInstanceIdNotFound),
    "image": IdKind("ami", errors.InvalidAmiIdMalformed, errors.InvalidAmiIdNotFound),
    "kernel": IdKind("aki", errors.InvalidAmiIdMalformed, errors.InvalidAmiIdNotFound),
    "ramdisk": IdKind("ari", errors.InvalidAmiIdMalformed, errors.InvalidAmiIdNotFound),
    "keypair": IdKind("key", errors.InvalidKeyPairFormat, errors.InvalidKeyPairNotFound),
    "volume": IdKind("vol", errors.InvalidVolumeIdMalformed, errors.InvalidVolumeNotFound),
    "snapshot": IdKind("snap", errors.InvalidSnapshotIdMalformed, errors.InvalidSnapshotNotFound),
    "security_group": IdKind("sg", errors.InvalidGroupIdMalformed, errors.InvalidGroupNotFound),
    "network": IdKind("vpc", errors.InvalidVpcIdMalformed, errors.InvalidVpcIdNotFound),
    "subnet": IdKind("subnet", errors.InvalidSubnetIdMalformed, errors.InvalidSubnetIdNotFound),
    "port": IdKind("eni", errors.InvalidNetworkInterfaceIdMalformed, errors.InvalidNetworkInterfaceIdNotFound),
    "floating_ip": IdKind("eipalloc", errors.InvalidAddressMalformed, errors.InvalidAllocationIdNotFound),
}
_BY_PREFIX = {kind.prefix: name for name, kind in KINDS.items()}


def to_ec2(kind: str, uuid: str) -> str:
    """The EC2 id of the ``kind`` with this UUID: ``i-`` and 17 digits.

    :raises ValueError: not a UUID in its usual lower-case form.
    """
    if not _UUID.fullmatch(uuid):
        raise ValueError(f"not a UUID: {uuid!r}")
    return f"{KINDS[kind].prefix}-{uuid.replace('-', '')[:17]}"


def check(kind: str, ec2_id: str) -> str:
    """``ec2_id``, if it can be one of this kind.

    :raises Malformed: the subclass that belongs to the kind.
    """
    known = KINDS[kind]
    start, dash, digits = ec2_id.partition("-")
    if start != known.prefix or not dash or not _DIGITS.fullmatch(digits):
        raise known.malformed(id=ec2_id)
    return ec2_id


def prefix(kind: str, ec2_id: str) -> str:
    """How the UUID behind ``ec2_id`` begins: 20 characters, dashes in place, for ``id LIKE 'prefix%'``.

    It holds no character that means something to LIKE.

    :raises Malformed: as :func:`check`.
    """
    digits = check(kind, ec2_id).partition("-")[2]
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:]}"


def kind_of(ec2_id: str) -> str:
    """Which kind of id this is, by its prefix, for the actions that take any (tags).

    :raises Malformed: no kind has that prefix, or the rest is not as it should be.
    """
    kind = _BY_PREFIX.get(ec2_id.partition("-")[0])
    if kind is None:
        raise errors.InvalidIdMalformed(id=ec2_id)
    check(kind, ec2_id)
    return kind


def not_found(kind: str, ec2_id: str) -> errors.Ec2Error:
    """The error to raise when no row visible to the project has this id."""
    return KINDS[kind].not_found(id=ec2_id)
