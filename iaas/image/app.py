"""The image service: Image v2 as a WSGI application.

Source: https://docs.openstack.org/api-ref/image/v2/
"""

from __future__ import annotations

import importlib
from typing import Any

from iaas.common.conf import Settings
from iaas.common.periodic import Runner
from iaas.common.rest import pipeline
from iaas.common.rest.dispatch import Api
from iaas.common.rest.middleware import Bound
from iaas.common.rest.operations import Resource
from iaas.identity.client import IdentityClient
from iaas.image import clients as _clients
from iaas.image import faults, sweep
from iaas.image.api import versions
from iaas.image.clients import ImageClients

NOUNS = ("images", "files", "tags", "members", "info", "definitions")


def base_url(settings: Settings) -> str:
    """Return where clients reach the service, without the version."""
    return settings.image.url.rstrip("/").removesuffix("/v2")


def resources() -> list[Resource]:
    """Return the operations of every noun."""
    return [importlib.import_module(f"iaas.image.api.{noun}").resource for noun in NOUNS]


def api() -> Api:
    """Return the application behind the filters."""
    return Api(
        "image",
        resources(),
        base=base_url,
        prefix="/v2",
        fault=faults.image,
        exact_paths=True,
        roots=versions.roots,
    )


def app_factory(_global_conf: Any, **_local: Any) -> Api:
    """The ``image`` application for paste.deploy."""
    return api()


def make_clients(settings: Settings) -> ImageClients:
    """Return the service's connections."""
    return _clients.make(settings, IdentityClient(settings))


def make(settings: Settings, clients: ImageClients | None = None) -> Bound:
    """Return the service with its filters, ready to be served.

    :raises UnknownRule: an operation is declared with a policy rule that is not.
    """
    made = clients or make_clients(settings)
    return pipeline.load("image", made, settings.api.paste_file)


class Upkeep:
    """What the service does by itself while its process runs; its connections end with it."""

    def __init__(self, clients: ImageClients) -> None:
        self._clients = clients
        self._runner = Runner(sweep.table_of(clients))

    def start(self) -> None:
        self._runner.start()

    def stop(self) -> None:
        self._runner.stop()
        self._clients.close()
