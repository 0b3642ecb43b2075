"""Pages of an answer: MaxResults, and the opaque token a client brings back for the next one.

Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html#api-pagination
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from iaas.api.ec2 import errors

LEAST, MOST = 5, 1000
MAX_TOKEN = 512
T = TypeVar("T")


def size(params: Mapping[str, Any], ids: str = "") -> int:
    """How many results the answer may have.

    :param ids: the parameter that names what is wanted, which leaves nothing to page through
    :raises InvalidParameterValue: a number outside 5 to 1000.
    :raises InvalidParameterCombination: a number and ids.
    """
    wanted = params.get("MaxResults")
    if wanted is None:
        return MOST
    if ids and params.get(ids):
        raise errors.InvalidParameterCombination(message=f"MaxResults and {ids} cannot be given together.")
    if not LEAST <= wanted <= MOST:
        raise errors.InvalidParameterValue(name="MaxResults", reason=f"it is not between {LEAST} and {MOST}")
    return wanted


def token(*position: Any) -> str:
    """The text of a position in a list."""
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


def position(params: Mapping[str, Any], *kinds: type) -> tuple[Any, ...] | None:
    """What :func:`token` was made from, or None if this is the first page.

    :param kinds: the types it was made of
    :raises InvalidNextToken: it is none of ours.
    """
    given = params.get("NextToken")
    if not given:
        return None
    try:
        padded = given[:MAX_TOKEN].encode("ascii") + b"=" * (-len(given[:MAX_TOKEN]) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, ValueError, RecursionError) as exc:
        raise errors.InvalidNextToken() from exc
    if not isinstance(found, list) or [type(item) for item in found] != list(kinds):
        raise errors.InvalidNextToken()
    return tuple(found)


def cut(params: Mapping[str, Any], rows: Sequence[T], most: int) -> tuple[Sequence[T], str | None]:
    """One page of a short list that is there as a whole, and the token of the next."""
    start = position(params, int)
    first = start[0] if start else 0
    if first < 0:
        raise errors.InvalidNextToken()
    left = rows[first : first + most]
    return left, token(first + most) if first + most < len(rows) else None
