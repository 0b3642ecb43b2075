"""Who may call what of block storage: rule name → check."""

RULES = {
    "volume:volumes:create": "rule:project_member",
    "volume:volumes:index": "rule:project_reader",
    "volume:volumes:index:all_projects": "rule:admin_required",
    "volume:volumes:show": "rule:project_reader",
    "volume:volumes:update": "rule:project_member",
    "volume:volumes:delete": "rule:project_member",
    "volume:volumes:metadata": "rule:project_member",
    "volume:types:read": "rule:any_token",
    "volume:types:manage": "rule:admin_required",
    "volume:limits:show": "rule:any_token",
    "volume:quotas:show": "rule:project_reader",
    "volume:quotas:update": "rule:admin_required",
    "volume:services:read": "rule:admin_required",
    "volume:services:manage": "rule:admin_required",
    "volume:zones:read": "rule:any_token",
    "volume:extensions:read": "rule:any_token",
}
