from tests.fixtures.identity import cloud

__all__ = ["cloud"]
