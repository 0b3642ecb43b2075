"""What a request to make a host aggregate looks like."""

from __future__ import annotations

from iaas.common.rest import schemas as s

CREATE = s.obj(("aggregate",), aggregate=s.obj(("name",), name=s.NAME, availability_zone=s.nullable(s.NAME)))
