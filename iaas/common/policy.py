"""Policy: who may call what, in oslo.policy's files, with default deny.

Rules are declared in tables (``iaas.<service>.policies``); a rule that is asked for and not declared is a
programming error at start-up and a refusal at run time, never a permission (OSSA-2026-016).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cachetools import TTLCache
from oslo_config import cfg
from oslo_policy import policy as oslo

from iaas.common import errors, runtime
from iaas.common.context import RequestContext

#: the roles are admin ⊃ manager ⊃ member ⊃ reader; a token carries the implied ones too
BASE: Mapping[str, str] = {
    "admin_required": "role:admin",
    "service_role": "role:service",
    "admin_or_service": "rule:admin_required or rule:service_role",
    "project_manager": "rule:admin_required or (role:manager and project_id:%(project_id)s)",
    "project_member": "rule:admin_required or (role:member and project_id:%(project_id)s)",
    "project_reader": "rule:admin_required or (role:reader and project_id:%(project_id)s)",
    "owner": "user_id:%(user_id)s",
    "any_token": "@",
}


_REFERENCE = re.compile(r"\brule:([^\s()]+)")


class UnknownRule(errors.IaasError):
    template = "There is no policy rule {rule}."


class Policy:
    """The rules in force."""

    def __init__(self, tables: Iterable[Mapping[str, str]], policy_file: str = "") -> None:
        """:raises Invalid: the policy file is not readable, or names a rule that does not exist."""
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[])
        self._enforcer = oslo.Enforcer(conf, use_conf=False, fallback_to_json_file=False)
        self.rules: dict[str, str] = dict(BASE)
        for table in tables:
            self.rules.update(table)
        replaced = _read(policy_file, self.rules)
        self._enforcer.set_rules(oslo.Rules.from_dict({**self.rules, **replaced}), overwrite=True, use_conf=False)
        self._enforcer.load_rules = lambda *args, **kwargs: None  # type: ignore[method-assign]  # no files of its own
        self._decided: TTLCache[Any, bool] = TTLCache(10_000, 60.0, timer=runtime.monotonic)

    def allows(self, ctx: RequestContext, rule: str, target: Mapping[str, Any] | None = None) -> bool:
        """Whether the caller may do ``rule`` to ``target``: fields of database rows, never of a body.

        Without a target the caller's own project and user are meant.
        """
        if rule not in self.rules:
            raise UnknownRule(rule=rule)
        if target is not None:
            return bool(self._enforcer.enforce(rule, dict(target), ctx.policy_credentials()))
        key = (rule, ctx.user_id, ctx.project_id, ctx.domain_id, ctx.roles, ctx.system_scope)
        decided = self._decided.get(key)
        if decided is None:
            own = {"project_id": ctx.project_id, "user_id": ctx.user_id, "domain_id": ctx.domain_id}
            decided = bool(self._enforcer.enforce(rule, own, ctx.policy_credentials()))
            self._decided[key] = decided
        return decided

    def check(self, ctx: RequestContext, rule: str, target: Mapping[str, Any] | None = None) -> None:
        """:raises Forbidden: the caller may not."""
        if not self.allows(ctx, rule, target):
            raise errors.Forbidden(action=rule)

    def require_rules(self, names: Iterable[str]) -> None:
        """Refuse to start with an operation whose rule nobody declared, or with a rule that asks for such a one.

        :raises UnknownRule: names the first.
        """
        for name in names:
            if name not in self.rules:
                raise UnknownRule(rule=name)
        for name, check in self._enforcer.rules.items():
            for word in _REFERENCE.findall(str(check)):
                if word not in self.rules:
                    raise UnknownRule(rule=f"{word}, which {name} asks for")


def _read(policy_file: str, known: Mapping[str, str]) -> dict[str, str]:
    if not policy_file:
        return {}
    try:
        rules = oslo.parse_file_contents(Path(policy_file).read_text())
    except (OSError, ValueError) as error:
        raise errors.Invalid(reason=f"The policy file {policy_file} cannot be read: {error}") from None
    for name in rules:
        if name not in known:
            raise errors.Invalid(reason=f"The policy file {policy_file} names the unknown rule {name!r}.")
    return dict(rules)
