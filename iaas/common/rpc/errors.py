"""What can go wrong with a message."""

from __future__ import annotations

from iaas.common import errors


class Unavailable(errors.Unavailable):
    """The broker did not confirm the message; it may or may not arrive."""


class Unroutable(errors.IaasError):
    """The broker has no queue of that name: the caller that waited for this answer is gone."""

    kind = errors.Kind.UNAVAILABLE
    template = "No queue takes messages for {address}."


class MessageTooLarge(errors.IaasError):
    template = "A message for {method} has {size} bytes; at most {limit} are allowed."


class CallTimeout(errors.IaasError):
    """No answer came in time; the work may still be done."""

    kind = errors.Kind.UNAVAILABLE
    template = "{topic} did not answer {method} within {timeout:g} seconds."


class RemoteError(errors.IaasError):
    """The other side raised; ``remote_kind`` is the kind of its error, and the text is its sentence."""

    template = "{message}"

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message=message)
        self.remote_kind = errors.Kind(kind) if kind in {k.value for k in errors.Kind} else errors.Kind.INTERNAL


class Undecodable(errors.IaasError):
    """Bytes from a queue that are no message of a version this release knows."""

    template = "The message cannot be read: {reason}."


class DeadLetter(errors.IaasError):
    """Raised by a handler that can never handle the message: it is put aside for an operator to see."""

    template = "The message cannot be handled: {reason}."
