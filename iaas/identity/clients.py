"""What every handler of the identity service works with."""

from __future__ import annotations

from types import SimpleNamespace

from cryptography.fernet import InvalidToken

from iaas.common import errors
from iaas.common.conf import Settings
from iaas.common.policy import Policy
from iaas.db import engines
from iaas.db.tx import Database
from iaas.identity import policies
from iaas.identity.access import Directory
from iaas.identity.issue import Issuer
from iaas.identity.keys import KeyRing
from iaas.identity.passwords import Hasher
from iaas.identity.tokens import Codec
from iaas.identity.world import World


class Vault:
    """Encrypts the blobs of credentials with a ring of their own."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def reload(self) -> None:
        """Read the keys again, now."""
        self._ring.reload()

    def reseal(self, sealed: str) -> str:
        """Return the same in the primary key.

        :raises Unavailable: the key it was sealed with is gone.
        """
        return self.seal(self.open(sealed))

    def seal(self, text: str) -> str:
        return self._ring.fernet().encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """:raises Unavailable: the key it was sealed with is gone."""
        try:
            return self._ring.fernet().decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise errors.Unavailable(reason="A credential cannot be decrypted with the keys in force.") from None


class IdentityClients(SimpleNamespace):
    """The connections and the state of one identity process."""

    settings: Settings
    policy: Policy
    db: Database
    passwords: Hasher
    tokens: Codec
    vault: Vault
    world: World
    directory: Directory
    issuer: Issuer


def make(settings: Settings, db: Database | None = None) -> IdentityClients:
    """Return the clients ``settings`` describe, on an open database if one is given."""
    identity, database = settings.identity, settings.database
    if db is None:
        options = engines.Options(
            database.pool_size, database.pool_timeout, database.connect_timeout, database.statement_timeout
        )
        db = Database(database.identity_url, options)
    codec = Codec(KeyRing(identity.key_dir))
    world = World(db)
    directory = Directory(world)
    return IdentityClients(
        settings=settings,
        policy=Policy([policies.RULES], settings.api.policy_file),
        db=db,
        passwords=Hasher(identity.argon2_memory_kib, identity.argon2_time, identity.hash_workers, identity.hash_queue),
        tokens=codec,
        vault=Vault(KeyRing(identity.credential_key_dir)),
        world=world,
        directory=directory,
        issuer=Issuer(codec, world, directory, identity.token_lifetime),
    )
