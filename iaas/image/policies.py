"""Who may call what of the image service: rule name → check. Which images exist for a caller, the database says."""

RULES = {
    "image:images:create": "rule:project_member or rule:service_role",
    "image:images:read": "rule:any_token",
    "image:images:update": "rule:project_member or rule:service_role",
    "image:images:delete": "rule:project_member or rule:service_role",
    "image:images:publicize": "rule:admin_required",
    "image:images:communitize": "rule:project_member",
    "image:images:upload": "rule:project_member or rule:service_role",
    "image:images:download": "rule:any_token",
    "image:images:deactivate": "rule:project_member or rule:service_role",
    "image:members:read": "rule:any_token",
    "image:members:write": "rule:project_member",
    "image:tags:write": "rule:project_member",
    "image:schemas:read": "rule:any_token",
    "image:info:read": "rule:any_token",
    "image:stores:detail": "rule:admin_required",
    #: sees and changes every project's images, and may give one an owner
    "image:all_projects": "rule:admin_or_service",
}
