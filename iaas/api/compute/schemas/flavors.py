"""What requests about flavors look like."""

from __future__ import annotations

from iaas.common.rest import schemas as s

#: printable, without space at either end
_TRIMMED: s.Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "allOf": [{"format": "trimmed"}, {"format": "no-control"}],
}
_ID: s.Schema = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9. _-]+$", "format": "trimmed"},
        {"type": "integer", "minimum": 0, "maximum": 2**63},
        s.NULL,
    ]
}
_FACTOR: s.Schema = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 3.40282e38},
        {"type": "string", "pattern": r"^[0-9]{1,30}(\.[0-9]{1,30})?$"},
    ]
}
DESCRIPTION: s.Schema = s.nullable({"type": "string", "maxLength": 16_383})
CREATE = s.obj(
    ("flavor",),
    flavor=s.obj(
        ("name", "ram", "vcpus", "disk"),
        **{
            "name": _TRIMMED,
            "id": _ID,
            "ram": s.integer(1),
            "vcpus": s.integer(1),
            "disk": s.integer(0),
            "OS-FLV-EXT-DATA:ephemeral": s.integer(0),
            "swap": s.integer(0),
            "rxtx_factor": _FACTOR,
            "os-flavor-access:is_public": s.BOOLEAN,
        },
    ),
)
CREATE_2_55 = s.with_(CREATE, "flavor", description=DESCRIPTION)
UPDATE_2_55 = s.obj(("flavor",), flavor=s.obj(("description",), description=DESCRIPTION))

_FILTERS = ("is_public", "minRam", "minDisk", "sort_key", "sort_dir")
LIST = s.query(*_FILTERS, open_=True, **s.PAGING)
LIST_2_75 = s.query(*_FILTERS, open_=False, **s.PAGING)
