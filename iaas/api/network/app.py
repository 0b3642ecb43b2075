"""Network v2.0 as one WSGI application: https://docs.openstack.org/api-ref/network/v2/."""

from __future__ import annotations

from typing import Any

from iaas.api.network import (
    agents,
    extensions,
    networks,
    ports,
    quotas,
    security_group_rules,
    security_groups,
    subnets,
)
from iaas.api.network.faults import NetworkApi, neutron
from iaas.common.rest import wire
from iaas.common.rest.operations import Resource


def resources() -> list[Resource]:
    """Return the operations that are served, by noun."""
    nouns = (extensions, networks, subnets, ports, security_groups, security_group_rules, quotas, agents)
    return [noun.resource for noun in nouns]


def app_factory(global_conf: Any, **_local: Any) -> NetworkApi:
    """Return the application, for paste.deploy."""
    return NetworkApi(
        "network",
        resources(),
        base=lambda settings: wire.public_url(settings, settings.api.network_port),
        prefix="/v2.0",
        fault=neutron,
        roots=extensions.roots,
    )
