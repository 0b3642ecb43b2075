"""What a volume back-end must do: the interface every volume driver implements.

Drivers see neither the database nor the queue.  Calls are synchronous, run in a native thread with a deadline,
and are idempotent by volume id.  ``tests/contract/volume_driver.py`` holds what is promised here.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass

from iaas.common import errors


@dataclass(frozen=True)
class PoolFacts:
    """What a back-end has, in GiB."""

    total_gb: int
    free_gb: int
    storage_protocol: str  # "file", "iSCSI", ...


class VolumeError(errors.IaasError):
    """The back-end refused; the sentence is fit for the user."""

    kind = errors.Kind.INTERNAL
    template = "{reason}"


class VolumeDriver(abc.ABC):
    """One volume back-end on one host."""

    @abc.abstractmethod
    def start_host(self) -> None:
        """Make the back-end ready.

        :raises VolumeError: it cannot be used; the sentence says why and what to do.
        """

    @abc.abstractmethod
    def pool_facts(self) -> PoolFacts:
        """Return what the back-end has now."""

    @abc.abstractmethod
    def create(self, volume_id: str, size_gb: int) -> None:
        """Make a volume that reads as zeroes; one of that id and size that exists is fine.

        :raises VolumeError: no space, or one of that id exists with another size.
        """

    @abc.abstractmethod
    def delete(self, volume_id: str) -> None:
        """Remove the volume; an unknown id is not an error."""

    @abc.abstractmethod
    def volumes(self) -> dict[str, int]:
        """Return every volume of ours on this back-end: id to size in GiB."""
