"""What requests about hypervisors look like."""

from __future__ import annotations

from iaas.common.rest import schemas as s

_PATTERN: s.Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_WITH: dict[str, s.Schema] = {"with_servers": s.BOOLEAN}

LIST = s.query(open_=True)
LIST_2_33 = s.query(open_=True, **s.PAGING)
LIST_2_53 = s.query(open_=True, hypervisor_hostname_pattern=_PATTERN, **_WITH, **s.PAGING)
LIST_2_75 = s.query(open_=False, hypervisor_hostname_pattern=_PATTERN, **_WITH, **s.PAGING)
SHOW = s.query(open_=True)
SHOW_2_53 = s.query(open_=True, **_WITH)
SHOW_2_75 = s.query(open_=False, **_WITH)
