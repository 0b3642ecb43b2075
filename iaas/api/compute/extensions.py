"""Extensions: what clients from before microversions ask for to learn what is served.

Source: https://docs.openstack.org/api-ref/compute/#extensions-extensions-deprecated
"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call, Resource

resource = Resource()

UPDATED = "2014-12-03T00:00:00Z"  # the list was closed when microversions came
#: alias → (name, what it stands for): those whose behaviour is served here
SERVED = {
    "OS-DCF": ("DiskConfig", "The disk_config of servers."),
    "OS-EXT-AZ": ("ExtendedAvailabilityZone", "The availability zone in servers."),
    "OS-EXT-IPS": ("ExtendedIps", "The type of each address of a server."),
    "OS-EXT-IPS-MAC": ("ExtendedIpsMac", "The MAC address of each address of a server."),
    "OS-EXT-SRV-ATTR": ("ExtendedServerAttributes", "Host and hypervisor of servers, for administrators."),
    "OS-EXT-STS": ("ExtendedStatus", "States of servers in detail."),
    "OS-FLV-DISABLED": ("FlavorDisabled", "Whether a flavor is disabled."),
    "OS-FLV-EXT-DATA": ("FlavorExtraData", "The ephemeral disk of flavors."),
    "OS-SRV-USG": ("ServerUsage", "When a server was launched and terminated."),
    "os-availability-zone": ("AvailabilityZone", "Availability zones, and to place servers in one."),
    "os-config-drive": ("ConfigDrive", "Config drives of servers."),
    "os-console-auth-tokens": ("ConsoleAuthTokens", "What is behind the token of a console."),
    "os-console-output": ("ConsoleOutput", "The console log of a server."),
    "os-extended-quotas": ("ExtendedQuotas", "To force a quota, and to delete a project's quotas."),
    "os-extended-services": ("ExtendedServices", "The reason a service is disabled for."),
    "os-extended-services-delete": ("ExtendedServicesDelete", "To delete services."),
    "os-extended-volumes": ("ExtendedVolumes", "The volumes attached to servers."),
    "os-flavor-access": ("FlavorAccess", "Private flavors and who may use them."),
    "os-flavor-extra-specs": ("FlavorExtraSpecs", "Extra specs of flavors."),
    "os-flavor-manage": ("FlavorManage", "To create and delete flavors."),
    "os-flavor-rxtx": ("FlavorRxtx", "The rxtx_factor of flavors."),
    "os-flavor-swap": ("FlavorSwap", "The swap disk of flavors."),
    "os-hypervisors": ("Hypervisors", "Hypervisors, for administrators."),
    "os-hypervisor-status": ("HypervisorStatus", "State and status of hypervisors."),
    "os-instance-actions": ("InstanceActions", "What was done to a server."),
    "os-keypairs": ("Keypairs", "Key pairs of users."),
    "os-multiple-create": ("MultipleCreate", "To create several servers at once."),
    "os-quota-class-sets": ("QuotaClasses", "The default quotas."),
    "os-quota-sets": ("Quotas", "Quotas of projects."),
    "os-remote-consoles": ("Consoles", "URLs that open the consoles of a server."),
    "os-server-sort-keys": ("ServerSortKeys", "To sort lists of servers."),
    "os-server-start-stop": ("ServerStartStop", "To start and stop servers."),
    "os-services": ("Services", "Compute's services, for administrators."),
    "os-used-limits": ("UsedLimits", "What is used of the limits."),
    "os-user-data": ("UserData", "User data of servers."),
}


@resource.operation("GET", "/extensions", policy="compute:extensions:read")
def index(call: Call) -> dict[str, Any]:
    """List the extensions."""
    return {"extensions": [_view(alias) for alias in SERVED]}


@resource.operation("GET", "/extensions/{alias}", policy="compute:extensions:read")
def show(call: Call) -> dict[str, Any]:
    """Show an extension."""
    alias = call.path["alias"]
    if alias not in SERVED:
        raise errors.NotFound(what="Extension", id=alias[:64])
    return {"extension": _view(alias)}


def _view(alias: str) -> dict[str, Any]:
    name, description = SERVED[alias]
    return {
        "alias": alias,
        "name": name,
        "description": description,
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml",  # as clients know it; there never was XML
        "updated": UPDATED,
        "links": [],
    }
