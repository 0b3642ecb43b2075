"""What every handler of the image service works with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from iaas.common import runtime
from iaas.common.conf import Settings
from iaas.common.policy import Policy
from iaas.db import engines
from iaas.db.tx import Database
from iaas.image import policies
from iaas.image.stores.base import Store
from iaas.image.stores.file import FileStore

FAST_DOWNLOADS = 8


class ImageClients(SimpleNamespace):
    """The connections of one image process.

    :ivar identity: what the ``auth`` filter validates tokens with
    :ivar slots: one for each upload that may run
    :ivar lanes: one for each download that may use a large buffer
    """

    settings: Settings
    policy: Policy
    db: Database
    store: Store
    identity: Any
    slots: runtime.Semaphore
    lanes: runtime.Semaphore

    def close(self) -> None:
        """End the connections; a request that still runs fails."""
        self.store.close()
        self.db.close()


def make(settings: Settings, identity: Any, db: Database | None = None, store: Store | None = None) -> ImageClients:
    """Return the clients ``settings`` describe, on an open database and store if they are given."""
    database = settings.database
    if db is None:
        options = engines.Options(
            database.pool_size, database.pool_timeout, database.connect_timeout, database.statement_timeout
        )
        db = Database(database.image_url, options)
    return ImageClients(
        settings=settings,
        policy=Policy([policies.RULES], settings.api.policy_file),
        db=db,
        store=store or FileStore(Path(settings.image.store_dir)),
        identity=identity,
        slots=runtime.semaphore(settings.image.max_uploads),
        lanes=runtime.semaphore(FAST_DOWNLOADS),
    )
