"""Key pairs: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-key-pairs.html"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from iaas.api.ec2 import errors, filters, ids
from iaas.api.ec2.action import Actions, Call
from iaas.common import sshkeys
from iaas.compute.api import ec2
from iaas.compute.api import keypairs as core
from iaas.db.keypairs import KeypairExists, KeypairNotFound

actions = Actions()
errors.declare(KeypairNotFound, errors.InvalidKeyPairNotFound)
errors.declare(KeypairExists, errors.InvalidKeyPairDuplicate)
errors.declare(sshkeys.InvalidKey, errors.InvalidKeyFormat)

MAX_NAME = 255
TYPES = {"ssh-rsa": "rsa", "ssh-ed25519": "ed25519"}

FILTERS: dict[str, filters.Read] = {
    "fingerprint": lambda row: [row.fingerprint],
    "key-name": lambda row: [row.name],
    "key-pair-id": lambda row: [_id(row)],
}


def _id(row: Any) -> str:
    return ids.to_ec2("keypair", row.id)


def _name(params: Mapping[str, Any]) -> str:
    name = params["KeyName"]
    if not 1 <= len(name) <= MAX_NAME or not name.isascii() or not name.isprintable() or name != name.strip():
        reason = f"it has 1 to {MAX_NAME} characters of ASCII and no space at its ends"
        raise errors.InvalidParameterValue(name="KeyName", reason=reason)
    return name


def _refuse_tags(params: Mapping[str, Any]) -> None:
    if params.get("TagSpecification"):
        raise errors.UnsupportedOperation(message="Key pairs cannot have tags in this cloud.")


def checked(call: Call, name: str) -> str:
    """``name``, if the caller has such a key pair.

    :raises InvalidKeyPairNotFound: there is none.
    """
    try:
        return core.show(call.clients, call.ctx, name).name
    except KeypairNotFound:
        raise errors.InvalidKeyPairNotFound(id=name[:MAX_NAME]) from None


@actions.action("CreateKeyPair", policy="compute:keypairs:write")
def create_key_pair(call: Call) -> dict[str, Any]:
    """Generate a key pair; its private key is shown once."""
    _refuse_tags(call.params)
    if call.params.get("KeyType", "rsa") != "rsa":
        raise errors.UnsupportedOperation(message="Only keys of the type rsa are generated; import others.")
    if call.params.get("KeyFormat", "pem") != "pem":
        raise errors.UnsupportedOperation(message="Private keys are shown in the format pem only.")
    made = core.create(call.clients, call.ctx, _name(call.params))
    shown = {"keyPairId": _id(made.row), "keyName": made.row.name, "keyFingerprint": made.row.fingerprint}
    return {**shown, "keyMaterial": made.private_key}


@actions.action("ImportKeyPair", policy="compute:keypairs:write")
def import_key_pair(call: Call) -> dict[str, Any]:
    """Keep a public key in the format of OpenSSH."""
    _refuse_tags(call.params)
    try:
        text = call.params["PublicKeyMaterial"].decode("ascii")
    except UnicodeDecodeError:
        raise errors.InvalidKeyFormat() from None
    if not text.strip():
        raise errors.InvalidKeyFormat()
    row = core.create(call.clients, call.ctx, _name(call.params), public_key=text).row
    return {"keyPairId": _id(row), "keyName": row.name, "keyFingerprint": row.fingerprint}


@actions.action("DescribeKeyPairs", policy="compute:keypairs:read")
def describe_key_pairs(call: Call) -> dict[str, Any]:
    """Show the caller's key pairs."""
    matches = filters.matcher(filters.wanted(call.params), FILTERS)
    rows = core.index(call.clients, call.ctx)
    names, key_ids = call.params.get("KeyName", []), call.params.get("KeyPairId", [])
    for name in names:
        if not any(row.name == name for row in rows):
            raise errors.InvalidKeyPairNotFound(id=name[:MAX_NAME])
    for key_id in key_ids:
        ids.check("keypair", key_id)
        if not any(_id(row) == key_id for row in rows):
            raise errors.InvalidKeyPairNotFound(id=key_id)
    chosen = [row for row in rows if not (names or key_ids) or row.name in names or _id(row) in key_ids]
    with_key = call.params.get("IncludePublicKey", False)
    return {"keySet": [_shown(row, with_key) for row in chosen if matches(row)]}


def _shown(row: Any, with_key: bool) -> dict[str, Any]:
    kind = row.public_key.partition(" ")[0]
    return {
        "keyPairId": _id(row),
        "keyName": row.name,
        "keyFingerprint": row.fingerprint,
        "keyType": TYPES.get(kind, kind),
        "createTime": datetime.datetime.fromtimestamp(row.created_at, datetime.UTC),
        "publicKey": row.public_key if with_key else None,
        "tagSet": [],
    }


@actions.action("DeleteKeyPair", policy="compute:keypairs:write")
def delete_key_pair(call: Call) -> dict[str, Any]:
    """Forget a key pair; one that is not there is fine."""
    name, key_id = call.params.get("KeyName"), call.params.get("KeyPairId")
    if (name is None) == (key_id is None):
        raise errors.InvalidParameterCombination(message="Either KeyName or KeyPairId must be given.")
    if key_id is not None:
        rows = ec2.starting(call.clients, call.ctx, "keypair", [ids.prefix("keypair", key_id)])
        name = rows[0].name if rows else None
    done: dict[str, Any] = {"return": True, "keyPairId": key_id}
    if name is not None:
        try:
            core.delete(call.clients, call.ctx, name)
        except KeypairNotFound:
            return done
    return done
