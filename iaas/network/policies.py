"""Who may call what of the network: rule name → check.

``…:<attribute>`` rules guard single attributes; they are asked for whenever a request names the attribute, whatever
its value (OSSA-2014-031).
"""

_MEMBER, _READER, _ADMIN = "rule:project_member", "rule:project_reader", "rule:admin_required"

#: the attributes of a network only an administrator sets
NETWORK_ADMIN = ("shared", "router:external", "is_default", "provider")
PORT_ADMIN = ("device_owner", "binding:host_id", "binding:profile")

RULES = {
    "network:extensions:read": "rule:any_token",
    "network:networks:create": _MEMBER,
    "network:networks:read": _READER,
    "network:networks:update": _MEMBER,
    "network:networks:delete": _MEMBER,
    **{f"network:networks:set:{name}": _ADMIN for name in NETWORK_ADMIN},
    "network:networks:see:provider": _ADMIN,
    "network:subnets:create": _MEMBER,
    "network:subnets:read": _READER,
    "network:subnets:update": _MEMBER,
    "network:subnets:delete": _MEMBER,
    "network:ports:create": _MEMBER,
    "network:ports:read": _READER,
    "network:ports:update": _MEMBER,
    "network:ports:delete": _MEMBER,
    **{f"network:ports:set:{name}": _ADMIN for name in PORT_ADMIN},
    "network:ports:see:binding": _ADMIN,
    "network:security_groups:create": _MEMBER,
    "network:security_groups:read": _READER,
    "network:security_groups:update": _MEMBER,
    "network:security_groups:delete": _MEMBER,
    "network:security_group_rules:create": _MEMBER,
    "network:security_group_rules:read": _READER,
    "network:security_group_rules:delete": _MEMBER,
    "network:set:project_id": _ADMIN,
    "network:quotas:show": _READER,
    "network:quotas:of_others": _ADMIN,
    "network:quotas:update": _ADMIN,
    "network:agents:read": _ADMIN,
    "network:agents:update": _ADMIN,
}
