"""Who may call what of Identity v3.

A rule with ``owner`` is about the user in the URL or in the row; handlers give it as the target.  ``system_reader``
may look at everything and change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

_ADMIN = "rule:admin_required"
_READ = "rule:admin_required or rule:system_reader"
_OWN = "rule:admin_required or rule:owner"
_READ_OWN = "rule:admin_required or rule:system_reader or rule:owner"
_ANY = "rule:any_token"


def _crud(noun: str, plural: str, *, get: str = _READ, listed: str = _READ) -> dict[str, str]:
    return {
        f"identity:get_{noun}": get,
        f"identity:list_{plural}": listed,
        f"identity:create_{noun}": _ADMIN,
        f"identity:update_{noun}": _ADMIN,
        f"identity:delete_{noun}": _ADMIN,
    }


RULES: Mapping[str, str] = {
    "system_reader": "role:reader and system_scope:all",
    "own_project": "project_id:%(project_id)s",
    "own_domain": "domain_id:%(domain_id)s or project_domain_id:%(domain_id)s",
    # tokens
    "identity:validate_token": "rule:admin_or_service or rule:system_reader",
    "identity:validate_own_token": _ANY,
    "identity:revoke_token": "rule:admin_required",
    "identity:revoke_own_token": _ANY,
    "identity:ec2_token": "rule:admin_or_service",
    "identity:get_auth_projects": _ANY,
    "identity:get_auth_domains": _ANY,
    "identity:get_auth_system": _ANY,
    "identity:get_auth_catalog": _ANY,
    "identity:list_revoke_events": "rule:admin_or_service",
    # who is there
    **_crud("user", "users", get=_READ_OWN),
    "identity:change_password": _ANY,  # the old password is the proof
    "identity:list_user_projects": _READ_OWN,
    "identity:list_groups_for_user": _READ_OWN,
    **_crud("group", "groups"),
    "identity:list_users_in_group": _READ,
    "identity:check_user_in_group": _READ_OWN,
    "identity:add_user_to_group": _ADMIN,
    "identity:remove_user_from_group": _ADMIN,
    **_crud("project", "projects", get="rule:admin_required or rule:system_reader or rule:own_project"),
    "identity:list_project_tags": "rule:admin_required or rule:system_reader or rule:own_project",
    "identity:update_project_tags": _ADMIN,
    **_crud("domain", "domains", get="rule:admin_required or rule:system_reader or rule:own_domain"),
    # who may do what
    **_crud("role", "roles"),
    **_crud("implied_role", "implied_roles"),
    "identity:list_role_inference_rules": _READ,
    "identity:list_grants": _READ,
    "identity:check_grant": _READ,
    "identity:create_grant": _ADMIN,
    "identity:revoke_grant": _ADMIN,
    "identity:list_role_assignments": _READ,
    "identity:list_own_role_assignments": "rule:owner",
    # where the services are
    **_crud("region", "regions", get=_ANY, listed=_ANY),
    **_crud("service", "services"),
    **_crud("endpoint", "endpoints"),
    # other secrets
    "identity:get_credential": _OWN,
    "identity:list_credentials": _OWN,
    "identity:create_credential": _OWN,
    "identity:update_credential": _OWN,
    "identity:delete_credential": _OWN,
    "identity:ec2_get_credential": _OWN,
    "identity:ec2_list_credentials": _OWN,
    "identity:ec2_create_credential": _OWN,
    "identity:ec2_delete_credential": _OWN,
    "identity:get_application_credential": _READ_OWN,
    "identity:list_application_credentials": _READ_OWN,
    "identity:create_application_credential": "rule:owner",
    "identity:delete_application_credential": _OWN,
    "identity:get_access_rule": _READ_OWN,
    "identity:list_access_rules": _READ_OWN,
    "identity:delete_access_rule": _OWN,
    "identity:get_limit_model": _ANY,
}
