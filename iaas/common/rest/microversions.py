"""Microversions: which one a request asks for, and values that grow with them.

Source: https://specs.openstack.org/openstack/api-sig/guidelines/microversion_specification.html
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from iaas.common import errors

T = TypeVar("T")
_FORM = re.compile(r"(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})", re.ASCII)


class Version(NamedTuple):
    """A microversion; compares by major, then minor."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """:raises InvalidVersion: ``text`` is not like ``2.15``."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise InvalidVersion(version=text[:40])
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class InvalidVersion(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "API Version String {version} is of invalid format. Must be of format MajorNum.MinorNum."


class UnservedVersion(errors.IaasError):
    kind = errors.Kind.GONE_VERSION
    template = "Version {version} is not supported by the API. Minimum is {lowest} and maximum is {highest}."


class Versioned(Generic[T]):
    """A value per microversion, keyed by the version it starts at: a gap or an overlap cannot be written."""

    def __init__(self, by_start: Mapping[str, T]) -> None:
        rows = sorted(((Version.parse(start), value) for start, value in by_start.items()), key=lambda row: row[0])
        self.starts = [start for start, _ in rows]
        self.values = [value for _, value in rows]

    def at(self, version: Version) -> T | None:
        """Return the value in force at ``version``; None before the first."""
        index = bisect_right(self.starts, version)
        return self.values[index - 1] if index else None


@dataclass(frozen=True)
class Negotiation:
    """How one service's clients ask for a microversion.

    :param service: the word in ``OpenStack-API-Version: <service> 2.15``
    :param legacy_header: an older header of the same meaning, or None
    """

    service: str
    lowest: Version
    highest: Version
    legacy_header: str | None = None

    def asked(self, environ: Mapping[str, Any]) -> Version:
        """Return the version the request asks for.

        :raises InvalidVersion: the header cannot be read.
        :raises UnservedVersion: the version is not served.
        """
        text = self._text(environ)
        if text is None:
            return self.lowest
        if text == "latest":
            return self.highest
        version = Version.parse(text)
        if not self.lowest <= version <= self.highest:
            raise UnservedVersion(version=version, lowest=self.lowest, highest=self.highest)
        return version

    def _text(self, environ: Mapping[str, Any]) -> str | None:
        header = environ.get("HTTP_OPENSTACK_API_VERSION", "")
        for part in header.split(","):
            words = part.split()
            if len(words) == 2 and words[0].lower() == self.service:
                return words[1].lower()
        if self.legacy_header:
            legacy = environ.get("HTTP_" + self.legacy_header.upper().replace("-", "_"))
            return legacy.strip().lower() if legacy else None
        return None

    def headers(self, version: Version) -> list[tuple[str, str]]:
        """Return the headers every answer carries."""
        vary = "OpenStack-API-Version"
        found = [("OpenStack-API-Version", f"{self.service} {version}")]
        if self.legacy_header:
            found.append((self.legacy_header, str(version)))
            vary += ", " + self.legacy_header
        return [*found, ("Vary", vary)]
