"""The Compute API under test, for every noun."""

from tests.fixtures.compute import api, clients

__all__ = ["api", "clients"]
