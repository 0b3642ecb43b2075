"""Errors: what went wrong, in a sentence for the user, without a word of HTTP.

An error knows its :class:`Kind`, its sentence and its fields; each API edge owns one table from kinds to
its own status codes and fault format.  A new class exists only where a caller catches it or an API must
show a code of its own.
"""

from __future__ import annotations

import enum
from typing import Any, ClassVar


class Kind(enum.Enum):
    """The sorts of failure a caller can act on."""

    INVALID = "invalid"  # the request can never succeed as written
    UNAUTHENTICATED = "unauthenticated"  # who are you?
    FORBIDDEN = "forbidden"  # known, but not allowed
    NOT_FOUND = "not_found"  # absent, or not visible to this project
    CONFLICT = "conflict"  # right request, wrong moment
    OVER_LIMIT = "over_limit"  # a quota would be passed
    TOO_LARGE = "too_large"  # the body passes a size limit
    GONE_VERSION = "gone_version"  # an API version that is not served
    NOT_IMPLEMENTED = "not_implemented"  # a published operation this release does not have
    UNAVAILABLE = "unavailable"  # try again later; nothing was changed
    NO_SPACE = "no_space"  # a store is full
    INTERNAL = "internal"  # our fault; details are in the log only


class IaasError(Exception):
    """Base of every error that may reach a user.

    Fields named in ``template`` are required: leaving one out fails here, at the place that raised it, and
    not later where the sentence is shown.
    """

    kind: ClassVar[Kind] = Kind.INTERNAL
    template: ClassVar[str] = "An unexpected error occurred."

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        super().__init__(self.template.format(**fields))

    @property
    def message(self) -> str:
        """The sentence shown to the user."""
        return str(self)


class Invalid(IaasError):
    kind = Kind.INVALID
    template = "{reason}"


class Unauthenticated(IaasError):
    kind = Kind.UNAUTHENTICATED
    template = "The request you have made requires authentication."


class Forbidden(IaasError):
    kind = Kind.FORBIDDEN
    template = "You are not authorized to perform the requested action: {action}."


class NotFound(IaasError):
    kind = Kind.NOT_FOUND
    template = "{what} {id} could not be found."


class Conflict(IaasError):
    kind = Kind.CONFLICT
    template = "{reason}"


class QuotaExceeded(IaasError):
    """Asked for more than the project has left; names the resource, what is used and the limit."""

    kind = Kind.OVER_LIMIT
    template = "Quota exceeded for {resource}: Requested {asked}, but already used {used} of {limit} {resource}."


class TooLarge(IaasError):
    kind = Kind.TOO_LARGE
    template = "{reason}"


class NotImplementedHere(IaasError):
    kind = Kind.NOT_IMPLEMENTED
    template = "{what} is not implemented by this cloud. See docs/api/operations.md for what is."


class Unavailable(IaasError):
    """Nothing was accepted; the caller may try again after ``retry_after`` seconds."""

    kind = Kind.UNAVAILABLE
    template = "{reason}"
    retry_after: int = 5


class NoSpace(IaasError):
    kind = Kind.NO_SPACE
    template = "{reason}"


class InvalidTransition(IaasError):
    """The state table has no such event from the state the row is in."""

    kind = Kind.CONFLICT
    template = "Cannot '{event}' {machine} {id} while it is in {state}."


class StateConflict(IaasError):
    """Another daemon moved the row between our reading and our writing."""

    kind = Kind.CONFLICT
    template = "{machine} {id} was changed by another request at the same time; look at it and try again."
