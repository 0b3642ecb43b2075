"""What requests about key pairs look like."""

from __future__ import annotations

from iaas.common.rest import schemas as s


def _name(pattern: str) -> s.Schema:
    return {"type": "string", "minLength": 1, "maxLength": 255, "pattern": pattern, "format": "trimmed"}


_KEY: s.Schema = {"type": "string", "minLength": 1, "maxLength": 16_384}
_USER: s.Schema = {"type": "string", "minLength": 1, "maxLength": 64}
CREATE = s.obj(("keypair",), keypair=s.obj(("name",), name=_name("^[A-Za-z0-9 _-]+$"), public_key=_KEY))
CREATE_2_2 = s.with_(CREATE, "keypair", type={"enum": ["ssh", "x509"]})
CREATE_2_10 = s.with_(CREATE_2_2, "keypair", user_id=_USER)
CREATE_2_92 = s.with_(CREATE_2_10, "keypair", name=_name("^[A-Za-z0-9 _.@-]+$"))
CREATE_2_92["properties"]["keypair"]["required"] = ["name", "public_key"]

_OWNER: dict[str, s.Schema] = {"user_id": _USER}
LIST = s.query(open_=True)
LIST_2_10 = s.query(open_=True, **_OWNER)
LIST_2_35 = s.query(open_=True, **_OWNER, **s.PAGING)
LIST_2_75 = s.query(open_=False, **_OWNER, **s.PAGING)
ONE = s.query(open_=True)
ONE_2_10 = s.query(open_=True, **_OWNER)
ONE_2_75 = s.query(open_=False, **_OWNER)
