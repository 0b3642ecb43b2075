"""What requests about the access to private flavors look like."""

from __future__ import annotations

from iaas.common.rest import schemas as s

_PROJECT = s.obj(("tenant",), tenant={"type": "string", "pattern": "^[a-zA-Z0-9-]{1,64}$"})
ADD = s.obj(("addTenantAccess",), addTenantAccess=_PROJECT)
REMOVE = s.obj(("removeTenantAccess",), removeTenantAccess=_PROJECT)
