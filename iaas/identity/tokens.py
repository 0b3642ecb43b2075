"""Tokens: what one says, and its one canonical text.

A token is a Fernet message (AES-128-CBC, HMAC-SHA-256) over a packed record, in unpadded URL-safe base64, shorter
than 255 characters.  It holds ids and moments only; names, roles and the catalog are looked up when it is validated.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from cryptography.fernet import InvalidToken

from iaas.common import errors, runtime
from iaas.identity.keys import KeyRing

METHODS = ("password", "token", "ec2credential", "application_credential", "totp", "trust", "mapped", "oauth1")
UNSCOPED, PROJECT, DOMAIN, SYSTEM = range(4)
MAX_TEXT = 255
MAX_ANCESTORS = 3
MAX_KNOWN = 20_000
_FORMAT = 1
_HEAD = struct.Struct("!BBBQQQ16s16s")
ANCESTOR_BYTES = 6  # of an ancestor's audit id are kept


@dataclass(frozen=True)
class Token:
    """What a token says.

    :ivar issued_us: microseconds since the epoch, like ``expires_us``
    :ivar seq: the change number it was made under, see ``iaas.db.identity.clock``
    :ivar chain_id: the audit id of the token all of its line come from
    :ivar ancestors: the beginnings of the audit ids of the tokens it was made from, nearest first
    :ivar delegate_id: the credential it was made with, of a delegated token
    """

    methods: tuple[str, ...]
    scope: int
    user_id: str
    scope_id: str
    issued_us: int
    expires_us: int
    seq: int
    audit_id: bytes
    chain_id: bytes
    ancestors: tuple[bytes, ...] = ()
    delegate_id: str = ""

    @property
    def audit_ids(self) -> list[str]:
        """The token's own audit id, and its chain's if it was made from another token."""
        ids = [_audit(self.audit_id)]
        return ids if self.chain_id == self.audit_id else [*ids, _audit(self.chain_id)]

    def line(self) -> tuple[bytes, ...]:
        """The ancestors of a token made from this one."""
        return (self.audit_id[:ANCESTOR_BYTES], *self.ancestors)[:MAX_ANCESTORS]


def _audit(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def audit_bytes(text: str) -> bytes:
    """Return the bytes of an audit id as it is shown."""
    return base64.urlsafe_b64decode(text + "==")


def new_audit_id() -> bytes:
    return runtime.secret_bytes(16)


class BadToken(errors.IaasError):
    """Not a token of ours, or not any more."""

    kind = errors.Kind.UNAUTHENTICATED
    template = "The request you have made requires authentication."


class Codec:
    """Tokens to text and back, with the keys of a ring."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._known: dict[bytes, Token] = {}
        self._generation = -1

    def encode(self, token: Token) -> str:
        text = self._ring.fernet().encrypt(_pack(token)).rstrip(b"=").decode()
        if len(text) > MAX_TEXT:
            raise errors.Invalid(reason="The ids are too long for a token.")
        return text

    def decode(self, text: str) -> Token:
        """Return what ``text`` says; whether it is still in force is not asked here.

        :raises BadToken: not made by us, or not the one canonical text of it.
        """
        fernet = self._ring.fernet()
        if self._generation != self._ring.generation:
            self._known.clear()
            self._generation = self._ring.generation
        if len(text) > MAX_TEXT or not text.isascii():
            raise BadToken()
        digest = hashlib.sha256(text.encode()).digest()
        token = self._known.get(digest)
        if token is None:
            token = self._opened(fernet, text.encode())
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[digest] = token
        return token

    @staticmethod
    def _opened(fernet: object, text: bytes) -> Token:
        try:
            raw = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
            # the decoder skips odd characters and ignores spare bits: only the canonical text passes here
            if base64.urlsafe_b64encode(raw).rstrip(b"=") != text:
                raise BadToken()
            return _unpack(fernet.decrypt(text + b"=" * (-len(text) % 4)))  # type: ignore[attr-defined]
        except (binascii.Error, InvalidToken, struct.error, IndexError, ValueError):
            raise BadToken() from None


# -- the packed record -------------------------------------------------------------------------------------


def _pack(token: Token) -> bytes:
    methods = sum(1 << METHODS.index(method) for method in token.methods)
    head = _HEAD.pack(
        _FORMAT, methods, token.scope, token.issued_us, token.expires_us, token.seq, token.audit_id, token.chain_id
    )
    ids = b"".join(_pack_id(text) for text in (token.user_id, token.scope_id, token.delegate_id))
    return head + ids + b"".join(token.ancestors)


def _unpack(raw: bytes) -> Token:
    version, bits, scope, issued, expires, seq, audit_id, chain_id = _HEAD.unpack_from(raw)
    if version != _FORMAT:
        raise BadToken()
    at = _HEAD.size
    ids: list[str] = []
    for _ in range(3):
        text, at = _unpack_id(raw, at)
        ids.append(text)
    rest = raw[at:]
    return Token(
        methods=tuple(method for number, method in enumerate(METHODS) if bits >> number & 1),
        scope=scope,
        user_id=ids[0],
        scope_id=ids[1],
        issued_us=issued,
        expires_us=expires,
        seq=seq,
        audit_id=audit_id,
        chain_id=chain_id,
        ancestors=tuple(rest[start : start + ANCESTOR_BYTES] for start in range(0, len(rest), ANCESTOR_BYTES)),
        delegate_id=ids[2],
    )


def _pack_id(text: str) -> bytes:
    """An id: its length, with the high bit if it is packed hexadecimal."""
    if len(text) % 2 == 0 and text:
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""
        if raw and raw.hex() == text:
            return bytes([0x80 | len(raw)]) + raw
    plain = text.encode()
    if len(plain) > 0x7F:
        raise errors.Invalid(reason="The ids are too long for a token.")
    return bytes([len(plain)]) + plain


def _unpack_id(raw: bytes, at: int) -> tuple[str, int]:
    packed, length = raw[at] & 0x80, raw[at] & 0x7F
    end = at + 1 + length
    if end > len(raw):
        raise BadToken()
    piece = raw[at + 1 : end]
    return (piece.hex() if packed else piece.decode()), end
