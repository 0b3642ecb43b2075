"""Compute v2.1 as one WSGI application: https://docs.openstack.org/api-ref/compute/."""

from __future__ import annotations

from typing import Any

from iaas.api.compute import (
    aggregates,
    console_auth_tokens,
    extensions,
    flavor_access,
    flavor_extra_specs,
    flavors,
    hypervisors,
    instance_actions,
    keypairs,
    limits,
    quotas,
    remote_consoles,
    server_actions,
    server_metadata,
    servers,
    services,
    versions,
    zones,
)
from iaas.api.compute.microversions import HIGHEST, LOWEST
from iaas.common.rest import wire
from iaas.common.rest.dispatch import Api
from iaas.common.rest.microversions import Negotiation
from iaas.common.rest.operations import Resource

NEGOTIATION = Negotiation("compute", LOWEST, HIGHEST, "X-OpenStack-Nova-API-Version")


def resources() -> list[Resource]:
    """Return every noun's operations: what is routed, documented and counted."""
    nouns = (
        versions,
        flavors,
        flavor_access,
        flavor_extra_specs,
        keypairs,
        limits,
        quotas,
        servers,
        server_actions,
        server_metadata,
        instance_actions,
        zones,
        hypervisors,
        services,
        extensions,
        remote_consoles,
        console_auth_tokens,
        aggregates,
    )
    return [noun.resource for noun in nouns]


def app_factory(_global_conf: Any, **_local_conf: Any) -> Api:
    """The application, for paste.deploy."""
    return Api(
        "compute",
        resources(),
        base=lambda settings: wire.public_url(settings, settings.api.compute_port),
        prefix="/v2.1",
        negotiation=NEGOTIATION,
        project_in_path=True,
        roots=versions.roots,
    )
