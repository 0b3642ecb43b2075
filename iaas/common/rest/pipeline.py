"""Pipelines: which filters stand before an API's application, by paste.deploy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paste import deploy

from iaas.common.rest.middleware import Bound
from iaas.common.rest.operations import PUBLIC

DEFAULT_FILE = Path(__file__).with_name("api-paste.ini")


def load(name: str, clients: Any, file: str = "") -> Bound:
    """Return the pipeline ``name`` of ``file`` (the packaged one if empty), serving for ``clients``.

    :raises UnknownRule: an operation is declared with a policy rule that is not: such a service must not start.
    """
    path = Path(file).resolve() if file else DEFAULT_FILE
    app = deploy.loadapp(f"config:{path}", name=name)
    policies = getattr(_innermost(app), "policies", None)
    if policies is not None:
        clients.policy.require_rules(rule for rule in policies() if rule != PUBLIC)
    return Bound(app, clients)


def _innermost(app: Any) -> Any:
    """The application behind its filters."""
    while hasattr(app, "app"):
        app = app.app
    return app
