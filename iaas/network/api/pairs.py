"""Allowed address pairs: what else a port may send from, checked and normalised when it is stored."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from iaas.common import errors
from iaas.db import codec

MAX_PAIRS = 10
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", re.ASCII)


class Pair(NamedTuple):
    """An address or CIDR, and a MAC; an empty MAC is the port's own."""

    address: str
    mac: str = ""


def checked(pairs: Sequence[Pair], secured: bool) -> list[Pair]:
    """Return pairs in their usual spelling.

    :raises Invalid: too many, twice the same, or no address.
    :raises Conflict: the port has no port security, so that nothing is filtered.
    """
    if pairs and not secured:
        raise errors.Conflict(reason="Port Security must be enabled in order to have allowed address pairs on a port.")
    if len(pairs) > MAX_PAIRS:
        raise errors.Invalid(reason=f"The number of allowed address pairs exceeds the maximum {MAX_PAIRS}.")
    found = [Pair(_address(pair.address), mac(pair.mac) if pair.mac else "") for pair in pairs]
    if len(set(found)) != len(found):
        raise errors.Invalid(reason="Request contains duplicate address pair.")
    return found


def _address(text: str) -> str:
    try:
        net = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise errors.Invalid(reason=f"'{text[:64]}' is not a valid IP address or prefix.") from None
    return str(net) if "/" in text else str(net.network_address)


def mac(text: str) -> str:
    """Return a MAC address in its usual spelling.

    :raises Invalid: it is none, or one that a single interface cannot have.
    """
    usual = text.lower().replace("-", ":")
    if not _MAC.fullmatch(usual) or int(usual[:2], 16) & 1 or usual == "00:00:00:00:00:00":
        raise errors.Invalid(reason=f"'{text[:64]}' is not a valid MAC address.")
    return usual


def text(pairs: Sequence[Pair]) -> str:
    """Return pairs as a port's row keeps them."""
    return codec.dump([[pair.address, pair.mac] for pair in pairs])


def of_text(stored: str) -> tuple[Pair, ...]:
    """Return the pairs a port's row keeps."""
    return tuple(Pair(address, mac_) for address, mac_ in codec.load(stored, []))
