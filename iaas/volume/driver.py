"""What a volume back-end must do: the interface every volume driver implements.

Drivers see neither the database nor the queue.  Calls are synchronous, run in a native thread with a deadline,
and are idempotent by volume id.  ``tests/contract/volume_driver.py`` holds what is promised here.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from iaas.common import errors

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True)
class PoolFacts:
    """What a back-end has, in GiB.

    :param free_gb: what volumes may still be promised
    """

    total_gb: int
    free_gb: int
    storage_protocol: str  # "file", "iSCSI", ...


class VolumeError(errors.IaasError):
    """The back-end refused; the sentence is fit for the user."""

    kind = errors.Kind.INTERNAL
    template = "{reason}"


def checked(volume_id: str) -> str:
    """Return ``volume_id`` if it is a UUID as we write them: the only names that reach a back-end.

    :raises Invalid: it is not.
    """
    if _UUID.fullmatch(volume_id) is None:
        raise errors.Invalid(reason=f"{volume_id[:64]!r} is not the id of a volume.")
    return volume_id


def is_id(text: str) -> bool:
    """Whether ``text`` is a UUID as we write them."""
    return _UUID.fullmatch(text) is not None


class VolumeDriver(abc.ABC):
    """One volume back-end on one host.

    An id that is no UUID is refused with :class:`iaas.common.errors.Invalid` by every method.

    :cvar deadlines: seconds a call may take, by method; 60 for others
    """

    deadlines: ClassVar[Mapping[str, float]] = {}

    @abc.abstractmethod
    def start_host(self) -> None:
        """Make the back-end ready.

        :raises VolumeError: it cannot be used; the sentence says why and what to do.
        """

    @abc.abstractmethod
    def stop_host(self) -> None:
        """Let go of the back-end; the volumes stay."""

    @abc.abstractmethod
    def pool_facts(self) -> PoolFacts:
        """Return what the back-end has now."""

    @abc.abstractmethod
    def create(self, volume_id: str, size_gb: int) -> None:
        """Make a volume that reads as zeroes; one of that id and size that exists is left as it is.

        :raises NoSpace: the size cannot be promised on top of what is promised already.
        :raises VolumeError: one of that id exists with another size, or the back-end failed.
        """

    @abc.abstractmethod
    def delete(self, volume_id: str) -> None:
        """Remove the volume; an unknown id is not an error."""

    @abc.abstractmethod
    def volumes(self) -> dict[str, int]:
        """Return every volume of ours on this back-end: id to size in GiB."""
