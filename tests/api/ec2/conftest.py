"""The EC2 API under test, for every noun."""

from tests.fixtures.ec2 import ec2

__all__ = ["ec2"]
