"""What requests about services look like."""

from __future__ import annotations

from iaas.common.rest import schemas as s

_WORD: s.Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_REASON: s.Schema = {"type": "string", "minLength": 1, "maxLength": 255, "format": "trimmed"}

LIST = s.query("host", "binary", open_=True)
LIST_2_75 = s.query("host", "binary", open_=False)
NAMED = s.obj(("host", "binary"), host=_WORD, binary=_WORD)
NAMED_WITH_REASON = s.obj(("host", "binary", "disabled_reason"), host=_WORD, binary=_WORD, disabled_reason=_REASON)
FORCE_DOWN = s.obj(("host", "binary", "forced_down"), host=_WORD, binary=_WORD, forced_down=s.BOOLEAN)
UPDATE = s.obj((), status={"enum": ["enabled", "disabled"]}, disabled_reason=_REASON, forced_down=s.BOOLEAN)
