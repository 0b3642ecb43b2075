"""The message on the wire: JSON, at most 64 KiB, ids and small values only."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import orjson

from iaas.common import runtime
from iaas.common.rpc import errors

VERSION = 1
MAX_BYTES = 64 * 1024
# Plain values only: a date or a dataclass that slips in would come out as something else at the other end.
_PLAIN = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS


@dataclass(frozen=True)
class Message:
    """A method to run, its arguments, and who asks."""

    method: str
    args: dict[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    ctx: dict[str, Any] | None = None
    reply_to: str | None = None
    id: str = field(default_factory=runtime.uuid)

    def encode(self) -> bytes:
        """Return the bytes to send.

        :raises MessageTooLarge: they pass 64 KiB.
        :raises TypeError: a value is not plain JSON.
        """
        set_fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        wire = {"v": VERSION, **{name: value for name, value in set_fields.items() if value is not None}}
        body = orjson.dumps(wire, option=_PLAIN)
        if len(body) > MAX_BYTES:
            raise errors.MessageTooLarge(method=self.method, size=len(body), limit=MAX_BYTES)
        return body

    @classmethod
    def decode(cls, body: bytes) -> Message:
        """Read a message; fields this release does not know are ignored.

        :raises Undecodable: it is not one, or of another version.
        """
        if len(body) > MAX_BYTES:
            raise errors.Undecodable(reason=f"{len(body)} bytes are more than {MAX_BYTES}")
        try:
            wire = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise errors.Undecodable(reason=f"not JSON, {error}") from None
        if not isinstance(wire, dict):
            raise errors.Undecodable(reason="not an object")
        if wire.get("v") != VERSION:
            raise errors.Undecodable(reason=f"version {wire.get('v')!r} is not {VERSION}")
        for name, types in _TYPES.items():
            if not isinstance(wire.get(name), types):
                raise errors.Undecodable(reason=f"field {name} is missing or of the wrong type")
        return cls(**{name: wire[name] for name in _TYPES if name in wire})


_TYPES: dict[str, tuple[type, ...]] = {
    "method": (str,),
    "args": (dict,),
    "id": (str,),
    "request_id": (str, type(None)),
    "ctx": (dict, type(None)),
    "reply_to": (str, type(None)),
}
