"""What requests about quotas look like."""

from __future__ import annotations

from iaas.common.rest import schemas as s
from iaas.compute.api.quotas import ALL

LIMIT = s.integer(-1)
_NETWORK = ("floating_ips", "fixed_ips", "security_groups", "security_group_rules", "networks")
_FILES = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
_COMPUTE = tuple(name for name in ALL if name not in _NETWORK + _FILES)
_GROUPS = ("server_groups", "server_group_members")


def _limits(*names: str) -> dict[str, s.Schema]:
    return dict.fromkeys(names, LIMIT)


def _set(*names: str) -> s.Schema:
    return s.obj(("quota_set",), quota_set=s.obj((), force=s.BOOLEAN, tenant_id=s.NAME, **_limits(*names)))


UPDATE = _set(*_COMPUTE, *_NETWORK[:4], *_FILES)
UPDATE_2_36 = _set(*_COMPUTE, *_FILES)
UPDATE_2_57 = _set(*_COMPUTE)


def _class(*names: str) -> s.Schema:
    return s.obj(("quota_class_set",), quota_class_set=s.obj((), id=s.NAME, **_limits(*names)))


_CLASS = tuple(name for name in _COMPUTE if name not in _GROUPS)
UPDATE_CLASS = _class(*_CLASS, *_NETWORK[:4], *_FILES)
UPDATE_CLASS_2_50 = _class(*_COMPUTE, *_FILES)
UPDATE_CLASS_2_57 = _class(*_COMPUTE)

LIMITS = s.query("tenant_id", "reserved", open_=True)
LIMITS_2_75 = s.query("tenant_id", "reserved", open_=False)
SHOW = s.query("user_id", open_=True)
SHOW_2_75 = s.query("user_id", open_=False)
