"""Access rules: which requests a token of an application credential is good for.

A path of a rule may hold ``*`` for a part of a segment, ``{name}`` for a segment and ``**`` for anything.
Source: https://docs.openstack.org/keystone/latest/user/application_credentials.html#access-rules
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

import re2

#: what each of our services may be called in a rule
TYPES: Mapping[str, frozenset[str]] = {
    "identity": frozenset({"identity"}),
    "compute": frozenset({"compute"}),
    "image": frozenset({"image"}),
    "network": frozenset({"network"}),
    "volume": frozenset({"block-storage", "block-store", "volume", "volumev3"}),
}
#: what a service sends with a token to validate if it heeds access rules; one that does not gets no such token
HEADER = "OpenStack-Identity-Access-Rules"
_WILD = re.compile(r"\*\*|\*|\{[^{}/]*\}")


def permits(token: Mapping[str, Any], environ: Mapping[str, Any]) -> bool:
    """Return whether a token may be used for a request: always, unless it has access rules.

    :param token: what it says, or the shared part of that
    """
    return not limited(token) or _matches(token["application_credential"]["access_rules"], environ)


def limited(token: Mapping[str, Any]) -> bool:
    """Return whether a token has access rules."""
    return (token.get("application_credential") or {}).get("access_rules") is not None


def _matches(rules: Iterable[Mapping[str, str]], environ: Mapping[str, Any]) -> bool:
    types = TYPES.get(environ.get("iaas.service", ""), frozenset())
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return any(
        rule["service"] in types
        and rule["method"] == environ["REQUEST_METHOD"]
        and _pattern(rule["path"]).fullmatch(path) is not None
        for rule in rules
    )


@functools.lru_cache(1024)
def _pattern(path: str) -> Any:
    """A rule's path as a pattern for an engine that takes linear time, whatever a user wrote."""
    parts: list[str] = []
    at = 0
    for found in _WILD.finditer(path):
        parts.append(re2.escape(path[at : found.start()]))
        parts.append({"**": ".*", "*": "[^/]*"}.get(found[0], "[^/]+"))
        at = found.end()
    return re2.compile("".join(parts) + re2.escape(path[at:]))
