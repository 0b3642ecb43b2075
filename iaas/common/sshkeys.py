"""SSH keys: read one line of a public key, and make a pair."""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography import exceptions
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from iaas.common import errors

COMMENT = "Generated-by-iaas"
#: types a guest's sshd may know and whose content this host's library reads
READ = (
    "ssh-rsa",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
)
#: keys on a security token: only their envelope is looked at
TOKEN = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")


class InvalidKey(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "Keypair data is invalid: {reason}"


def fingerprint(public_key: str) -> str:
    """Return the MD5 of a public key, ``1e:2c:…``, after making sure that it is one.

    :raises InvalidKey: it is not one line, its type is not known, or its content is not of its type.
    """
    if not public_key.isprintable():
        raise InvalidKey(reason="a public key is one line")
    words = public_key.split(" ", 2)
    if len(words) < 2 or words[0] not in READ + TOKEN:
        raise InvalidKey(reason=f"a public key starts with its type: one of {', '.join(READ + TOKEN)}")
    kind, text = words[0].encode(), words[1].encode()
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise InvalidKey(reason="the key is not base64 text") from None
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind):
        raise InvalidKey(reason="the key is of another type than it says")
    if words[0] in READ:
        _read(kind + b" " + text)
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")  # the API's form, not a proof of anything


def _read(line: bytes) -> None:
    try:
        serialization.load_ssh_public_key(line)
    except (ValueError, exceptions.UnsupportedAlgorithm) as error:
        raise InvalidKey(reason=f"the key cannot be read ({str(error)[:120]})") from None


def generate() -> tuple[str, str]:
    """Return a new private key in PEM that ssh accepts, and its public key. Takes long: call it in a native thread."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,  # what both APIs' clients have always been given
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} {COMMENT}"
