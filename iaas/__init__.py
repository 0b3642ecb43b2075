"""An infrastructure-as-a-service controller: OpenStack-compatible and EC2 APIs over KVM hosts."""

__version__ = "0.1.0"
