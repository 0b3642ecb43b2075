"""Messages over AMQP 0-9-1 to RabbitMQ, through kombu: the only package that imports it."""

from __future__ import annotations

from iaas.common.rpc.rabbit.transport import RabbitTransport

__all__ = ["RabbitTransport"]
