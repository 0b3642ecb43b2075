"""Block Storage v3 as one WSGI application: https://docs.openstack.org/api-ref/block-storage/v3/."""

from __future__ import annotations

from typing import Any

from iaas.api.volume import (
    extensions,
    extra_specs,
    limits,
    metadata,
    quotas,
    services,
    types,
    versions,
    volumes,
    zones,
)
from iaas.api.volume.microversions import NEGOTIATION
from iaas.common.rest import faults, wire
from iaas.common.rest.dispatch import Api
from iaas.common.rest.operations import Resource

NOUNS = (versions, volumes, metadata, types, extra_specs, limits, quotas, services, zones, extensions)


def resources() -> list[Resource]:
    """Return every noun's operations: what is routed, documented and counted."""
    return [noun.resource for noun in NOUNS]


def app_factory(_global_conf: Any, **_local_conf: Any) -> Api:
    """The application, for paste.deploy."""
    return Api(
        "volume",
        resources(),
        base=lambda settings: wire.public_url(settings, settings.api.volume_port),
        prefix="/v3",
        negotiation=NEGOTIATION,
        fault=faults.openstack,
        project_in_path=True,
        exact_paths=True,
        roots=versions.roots,
    )
