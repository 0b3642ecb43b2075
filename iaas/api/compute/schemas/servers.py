"""Bodies and queries of servers. Source: https://docs.openstack.org/api-ref/compute/#servers-servers"""

from __future__ import annotations

from iaas.common.rest import schemas as s

NAME = {**s.NAME, "format": "no-control", "pattern": r"\S"}
TEXT: s.Schema = {"type": "string", "maxLength": 255}
METADATA: s.Schema = {
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9\-_:. ]{1,255}$"},
    "additionalProperties": TEXT,
}
USER_DATA: s.Schema = {"type": "string", "format": "base64", "maxLength": 65_535}
HOSTNAME: s.Schema = {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-zA-Z0-9][a-zA-Z0-9-]*$"}
# with its domain; no guest's kernel keeps more than 64 characters
FQDN: s.Schema = {**HOSTNAME, "maxLength": 64, "pattern": r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$"}
IPV4: s.Schema = {"type": "string", "format": "ipv4"}
IPV6: s.Schema = {"type": "string", "format": "ipv6"}
TAG: s.Schema = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}
DISK_CONFIG: s.Schema = {"enum": ["AUTO", "MANUAL"]}
COUNT = s.integer(1, 1000)
IMAGE_REF: s.Schema = {"anyOf": [s.UUID, {"type": "string", "maxLength": 0}]}
BLOCK_DEVICE: s.Schema = {"type": "array", "items": {"type": "object"}, "maxItems": 255}

_NIC = {"uuid": s.UUID, "port": s.nullable(s.UUID), "fixed_ip": {"type": "string", "format": "ip"}}
_NETWORKS = s.array(s.obj(**_NIC), high=32)
_NETWORKS_TAGGED = s.array(s.obj(**_NIC, tag=TAG), high=32)

CREATE: s.Schema = {
    "type": "object",
    "required": ["server"],
    "additionalProperties": False,
    "properties": {
        "server": s.obj(
            ("name", "flavorRef"),
            name=NAME,
            imageRef=IMAGE_REF,
            flavorRef={"type": ["string", "integer"], "minLength": 1, "maxLength": 255},
            key_name=s.nullable({**s.NAME, "maxLength": 255}),
            metadata=METADATA,
            user_data=s.nullable(USER_DATA),
            availability_zone=s.nullable(s.NAME),
            security_groups=s.array(s.obj(name=s.NAME), high=64),
            networks=_NETWORKS,
            config_drive=s.nullable({"anyOf": [s.BOOLEAN, {"type": "string", "maxLength": 0}]}),
            min_count=COUNT,
            max_count=COUNT,
            return_reservation_id=s.BOOLEAN,
            adminPass={"type": "string", "maxLength": 255},
            accessIPv4=IPV4,
            accessIPv6=IPV6,
            block_device_mapping=BLOCK_DEVICE,
            block_device_mapping_v2=BLOCK_DEVICE,
            personality={"type": "array", "items": {"type": "object"}, "maxItems": 255},
            **{"OS-DCF:diskConfig": DISK_CONFIG},
        ),
        "os:scheduler_hints": {"type": "object", "maxProperties": 32},
        "OS-SCH-HNT:scheduler_hints": {"type": "object", "maxProperties": 32},
    },
}
CREATE_2_19 = s.with_(CREATE, "server", description=s.nullable(TEXT))
CREATE_2_32 = s.with_(CREATE_2_19, "server", networks=_NETWORKS_TAGGED)
CREATE_2_37 = s.with_(CREATE_2_32, "server", networks={"anyOf": [_NETWORKS, {"enum": ["none", "auto"]}]})
CREATE_2_37["properties"]["server"]["required"].append("networks")
CREATE_2_42 = s.with_(CREATE_2_37, "server", networks={"anyOf": [_NETWORKS_TAGGED, {"enum": ["none", "auto"]}]})
CREATE_2_52 = s.with_(CREATE_2_42, "server", tags=s.array(TAG, high=50))
CREATE_2_57 = s.with_(CREATE_2_52, "server")
del CREATE_2_57["properties"]["server"]["properties"]["personality"]
CREATE_2_63 = s.with_(CREATE_2_57, "server", trusted_image_certificates=s.nullable(s.array(s.NAME, high=50)))
CREATE_2_74 = s.with_(CREATE_2_63, "server", host=s.NAME, hypervisor_hostname=s.NAME)
CREATE_2_90 = s.with_(CREATE_2_74, "server", hostname=HOSTNAME)
CREATE_2_94 = s.with_(CREATE_2_90, "server", hostname=FQDN)
CREATE_BY_VERSION = {
    "2.1": CREATE,
    "2.19": CREATE_2_19,
    "2.32": CREATE_2_32,
    "2.37": CREATE_2_37,
    "2.42": CREATE_2_42,
    "2.52": CREATE_2_52,
    "2.57": CREATE_2_57,
    "2.63": CREATE_2_63,
    "2.74": CREATE_2_74,
    "2.90": CREATE_2_90,
    "2.94": CREATE_2_94,
}

UPDATE = s.obj(
    ("server",),
    server=s.obj(
        (),
        name=NAME,
        accessIPv4=IPV4,
        accessIPv6=IPV6,
        **{"OS-DCF:diskConfig": DISK_CONFIG},
    ),
)
UPDATE_2_19 = s.with_(UPDATE, "server", description=s.nullable(TEXT))
UPDATE_2_90 = s.with_(UPDATE_2_19, "server", hostname=HOSTNAME)
UPDATE_2_94 = s.with_(UPDATE_2_90, "server", hostname=FQDN)
UPDATE_BY_VERSION = {"2.1": UPDATE, "2.19": UPDATE_2_19, "2.90": UPDATE_2_90, "2.94": UPDATE_2_94}

SET_METADATA = s.obj(("metadata",), metadata=METADATA)
SET_META = s.obj(("meta",), meta={**METADATA, "minProperties": 1, "maxProperties": 1})

#: published as null; clients also send {}
NOTHING: s.Schema = {"type": ["null", "object"], "additionalProperties": False}
START = s.obj(("os-start",), **{"os-start": NOTHING})
STOP = s.obj(("os-stop",), **{"os-stop": NOTHING})
REBOOT = s.obj(("reboot",), reboot=s.obj(("type",), type={"enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]}))
LENGTH: s.Schema = s.nullable(s.integer(-1))
CONSOLE_OUTPUT = s.obj(("os-getConsoleOutput",), **{"os-getConsoleOutput": s.obj(length=LENGTH)})

FILTERS = (
    "all_tenants", "auto_disk_config", "availability_zone", "changes-since", "config_drive", "created_at", "deleted",
    "description", "display_description", "display_name", "flavor", "host", "hostname", "image", "image_ref", "ip",
    "ip6", "kernel_id", "key_name", "launch_index", "launched_at", "limit", "locked_by", "marker", "name", "node",
    "power_state", "progress", "project_id", "ramdisk_id", "reservation_id", "root_device_name", "soft_deleted",
    "sort_dir", "sort_key", "status", "task_state", "tenant_id", "terminated_at", "user_id", "uuid", "vm_state",
)  # fmt: skip
_TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")
LIST = s.query(*FILTERS, open_=True)
LIST_2_26 = s.query(*FILTERS, *_TAGS, open_=True)
LIST_2_66 = s.query(*FILTERS, *_TAGS, "changes-before", open_=True)
LIST_2_73 = s.query(*FILTERS, *_TAGS, "changes-before", "locked", open_=True)
LIST_2_75 = s.query(*FILTERS, *_TAGS, "changes-before", "locked")
LIST_BY_VERSION = {"2.1": LIST, "2.26": LIST_2_26, "2.66": LIST_2_66, "2.73": LIST_2_73, "2.75": LIST_2_75}
