"""Fixtures of the tests of Block Storage v3."""

from tests.fixtures.compute import clients
from tests.fixtures.volume import api

__all__ = ["api", "clients"]
