"""AWS Signature Version 4: whether a request was signed with the secret of an EC2 credential.

Two halves.  A service describes the request it received as a *credentials document*
(:func:`from_wsgi`) and posts it to the identity service's ``/v3/ec2tokens``; the identity service, which
knows the secret, checks it (:func:`verify`).  The document is the one Keystone's clients send::

    {"access", "signature", "host", "verb", "path", "params", "headers", "body_hash"}

``params`` are those of the query string, ``headers`` the request's, ``body_hash`` the SHA-256 of its body
in hexadecimal.  Where a name is given twice in a query string, its value is a list.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
https://docs.openstack.org/keystone/latest/ (EC2 tokens).
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from iaas.common import errors

ALGORITHM = "AWS4-HMAC-SHA256"
WINDOW = datetime.timedelta(minutes=15)
MAX_QUERY_NAMES = 1000

_HEX_256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_EXPIRES = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_VERB = re.compile(r"[A-Za-z]{1,16}", re.ASCII)
_PATH = re.compile(r"/[!-~]*", re.ASCII)  # encoded: neither space nor line break
_SIGNED_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([^,\s]+)",
    re.ASCII,
)


class SignatureMismatch(errors.IaasError):
    """Not a request that the owner of the key signed; ``reason`` is for logs, the sentence for anybody."""

    kind = errors.Kind.UNAUTHENTICATED
    template = "The request signature does not match the one calculated from the secret key."


class RequestExpired(errors.IaasError):
    """Signed too long ago, or too far in the future."""

    kind = errors.Kind.UNAUTHENTICATED
    template = "The request has expired or is dated in the future."


def _refuse(reason: str) -> SignatureMismatch:
    return SignatureMismatch(reason=reason)


@dataclass(frozen=True)
class Signed:
    """What a request says of its own signature."""

    access: str
    scope: tuple[str, str, str]  # date, region, service
    signed_headers: tuple[str, ...]
    signature: str
    date: str
    expires: int | None  # seconds, of a presigned URL only


def verify(
    credentials: Mapping[str, Any],
    secret: str,
    now: datetime.datetime,
    *,
    window: datetime.timedelta = WINDOW,
    regions: Collection[str] | None = None,
    services: Collection[str] | None = None,
) -> None:
    """Return if the described request was signed with ``secret`` within ``window`` of ``now``.

    ``regions`` and ``services`` are those this cloud answers to; None accepts any, as Keystone does.  A
    presigned URL lives no longer than ``window``, whatever it says of itself.  The signature is compared
    first and the clock read last, so that only the owner of the key learns that a request is too old.

    :raises SignatureMismatch: any other request than the one that was signed, or not version 4.
    :raises RequestExpired: rightly signed, at another time.
    """
    headers = _headers(credentials)
    params = _params(credentials)
    signed = _signed(headers, params)
    _check_claims(credentials, headers, params, signed)
    if regions is not None and signed.scope[1] not in regions:
        raise _refuse("signed for another region")
    if services is not None and signed.scope[2] not in services:
        raise _refuse("signed for another service")
    given = _text(credentials, "signature")
    try:
        matches = [
            hmac.compare_digest(
                _signature(_canonical(credentials, query, headers, signed), signed, secret),
                given.encode("utf-8"),
            )
            for query in _queries(credentials, params, signed)
        ]
    except UnicodeEncodeError as exc:
        raise _refuse("a lone surrogate") from exc
    if not any(matches):
        raise _refuse("wrong signature")
    check_clock(signed, now, window)


def from_wsgi(environ: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    """The credentials document of a request as it arrived; ``body`` is all of its body.

    Both forms are understood: the ``Authorization`` header, with the parameters in the body of a POST or
    in the query string of another method, and the presigned URL, with everything in the query string.

    Only what was signed is passed on.  The identity service is still to be asked: nothing is verified here.

    :raises SignatureMismatch: nothing of this request says who signed it how, or more than one thing does.
    """
    headers = _wsgi_headers(environ)
    params = _query_params(environ.get("QUERY_STRING", ""))
    signed = _signed(headers, params)
    verb = environ["REQUEST_METHOD"].upper()
    if verb == "POST" and signed.expires is None and params:
        # Keystone's signers leave the query string of a POST out, so it could be anybody's.
        raise _refuse("a POST with signed headers carries its parameters in the body")
    raw = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    keep = {*signed.signed_headers, "authorization"} | {name for name in headers if name.startswith("x-amz-")}
    params.pop("X-Amz-Signature", None)
    return {
        "access": signed.access,
        "signature": signed.signature,
        "host": headers.get("host", ""),
        "verb": verb,
        "path": canonical_path(quote(raw.encode("latin-1"), safe="/~")),
        "params": {name: values[0] if len(values) == 1 else values for name, values in params.items()},
        "headers": {_title(name): value for name, value in headers.items() if name in keep},
        "body_hash": hashlib.sha256(body).hexdigest(),
    }


def claims(credentials: Mapping[str, Any]) -> Signed:
    """What a credentials document says of its own signature; nothing of it is verified.

    :raises SignatureMismatch: it says nothing, or too much.
    """
    return _signed(_headers(credentials), _params(credentials))


def canonical_path(path: str) -> str:
    """The canonical form of a path as it stood in the URL: dot segments resolved, encoded once more."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments[-1:] = []
        elif segment and segment != ".":
            segments.append(segment)
    tail = "/" if segments and path.endswith("/") else ""
    return quote("/" + "/".join(segments) + tail, safe="/~")


# -- reading a request ---------------------------------------------------------------------------------


def _signed(headers: Mapping[str, str], params: Mapping[str, list[str]]) -> Signed:
    """What the request says of its signature: in the one of the two places that has it."""
    authorization = headers.get("authorization")
    presigned = "X-Amz-Algorithm" in params
    if "Signature" in params or params.get("SignatureVersion", ["4"]) != ["4"]:
        raise _refuse("not signed with version 4")
    if (authorization is not None) == presigned:
        raise _refuse("not signed, or signed twice")
    if authorization is not None:
        match = _AUTHORIZATION.fullmatch(authorization.strip())
        if match is None:
            raise _refuse("the Authorization header is not of version 4")
        credential, names, signature = match.groups()
        return _parts(credential, names, signature, headers.get("x-amz-date", ""), None)
    if _one(params, "X-Amz-Algorithm") != ALGORITHM:
        raise _refuse("not signed with version 4")
    expires = _one(params, "X-Amz-Expires")
    if not _EXPIRES.fullmatch(expires):
        raise _refuse("no X-Amz-Expires")
    signature = params.get("X-Amz-Signature", [""])[0]  # a document has it apart from its params
    names, date = _one(params, "X-Amz-SignedHeaders"), _one(params, "X-Amz-Date")
    return _parts(_one(params, "X-Amz-Credential"), names, signature, date, int(expires))


def _parts(credential: str, names: str, signature: str, date: str, expires: int | None) -> Signed:
    # An access key may hold slashes; the scope behind it may not.
    pieces = credential.rsplit("/", 4)
    if len(pieces) != 5 or not all(pieces) or pieces[4] != "aws4_request":
        raise _refuse("the credential scope is not of version 4")
    access, day, region, service, _ = pieces
    if not _DATE.fullmatch(date) or date[:8] != day:
        raise _refuse("no X-Amz-Date, or not the day of the scope")
    signed_headers = tuple(names.split(";"))
    if list(signed_headers) != sorted(set(signed_headers)) or not all(map(_SIGNED_NAME.fullmatch, signed_headers)):
        raise _refuse("the names of the signed headers are not in order")
    return Signed(access, (day, region, service), signed_headers, signature, date, expires)


def _one(params: Mapping[str, list[str]], name: str) -> str:
    values = params.get(name, [])
    if len(values) != 1:
        raise _refuse(f"{name} is missing or given twice")
    return values[0]


def _wsgi_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    names = {key[5:]: key for key in environ if key.startswith("HTTP_")}
    names |= {key: key for key in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(key)}
    try:
        # WSGI shows bytes as Latin-1; signers write UTF-8.
        return {
            name.lower().replace("_", "-"): environ[key].encode("latin-1").decode("utf-8")
            for name, key in names.items()
        }
    except UnicodeDecodeError as exc:
        raise _refuse("a header is not UTF-8") from exc


def _query_params(query: str) -> dict[str, list[str]]:
    params: dict[str, list[str]] = {}
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    if len(pairs) > MAX_QUERY_NAMES:
        raise _refuse("too many parameters")
    try:
        for name, _, value in pairs:
            params.setdefault(_unquote(name), []).append(_unquote(value))
    except UnicodeError as exc:
        raise _refuse("the query string is not UTF-8") from exc
    return params


def _unquote(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode("utf-8")


def _title(name: str) -> str:
    """As Keystone's verifier looks them up: ``X-Amz-Date``."""
    return "-".join(part.capitalize() for part in name.split("-"))


# -- reading a credentials document --------------------------------------------------------------------


def _text(credentials: Mapping[str, Any], name: str) -> str:
    value = credentials.get(name)
    if not isinstance(value, str) or not value:
        raise _refuse(f"{name} is missing")
    return value


def _headers(credentials: Mapping[str, Any]) -> dict[str, str]:
    given = credentials.get("headers")
    if not isinstance(given, Mapping):
        raise _refuse("headers are missing")
    headers: dict[str, str] = {}
    for name, value in given.items():
        lower = str(name).lower().strip()
        if lower in headers or not isinstance(value, str):
            raise _refuse("a header is given twice, or is not a string")
        headers[lower] = value
    headers.setdefault("host", _text(credentials, "host"))
    return headers


def _params(credentials: Mapping[str, Any]) -> dict[str, list[str]]:
    given = credentials.get("params", {})
    if not isinstance(given, Mapping):
        raise _refuse("params are not an object")
    params: dict[str, list[str]] = {}
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(item, str) for item in values):
            raise _refuse("a parameter is not a string")
        params[name] = list(values)
    return params


def _check_claims(
    credentials: Mapping[str, Any],
    headers: Mapping[str, str],
    params: Mapping[str, list[str]],
    signed: Signed,
) -> None:
    """That what stands beside the signature does not contradict it, and that all that matters is signed."""
    if not _VERB.fullmatch(_text(credentials, "verb")) or not _PATH.fullmatch(_text(credentials, "path")):
        raise _refuse("no verb, or no path")
    if _text(credentials, "access") != signed.access:
        raise _refuse("signed with another access key")
    if _text(credentials, "host").lower() != headers["host"].strip().lower():
        raise _refuse("two hosts")
    needed = {"host"} | {name for name in headers if name.startswith("x-amz-")}  # the date among them
    if signed.expires is None and any(name.startswith("X-Amz-") for name in params):
        raise _refuse("signed in the headers and in the query string")
    if not needed <= set(signed.signed_headers) or not set(signed.signed_headers) <= headers.keys():
        raise _refuse("a header that matters is not signed, or a signed one is missing")
    body_hash = _text(credentials, "body_hash")
    if not _HEX_256.fullmatch(body_hash):
        raise _refuse("the payload is not signed")  # UNSIGNED-PAYLOAD, STREAMING-…
    if headers.get("x-amz-content-sha256", body_hash).strip() != body_hash:
        raise _refuse("the payload is another one")


def check_clock(signed: Signed, now: datetime.datetime, window: datetime.timedelta) -> None:
    """Return if the request says it was signed within ``window`` of ``now``.

    :raises RequestExpired: it was not, or its URL was made for a shorter time.
    :raises SignatureMismatch: there is no such date.
    """
    try:
        at = datetime.datetime.strptime(signed.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError as exc:
        raise _refuse("no such date") from exc
    life = window if signed.expires is None else min(window, datetime.timedelta(seconds=signed.expires))
    if now - at > life or at - now > window:
        raise RequestExpired()


# -- the signature -------------------------------------------------------------------------------------


def _queries(
    credentials: Mapping[str, Any], params: Mapping[str, list[str]], signed: Signed
) -> tuple[Mapping[str, list[str]], ...]:
    """The parameters that may have been in the signed query string.

    Services written for Keystone put the form of a POST into ``params`` too, where only ``body_hash``
    covers it; for a POST signed in its headers an empty query string is therefore as good.
    """
    unsigned = {name: values for name, values in params.items() if name != "X-Amz-Signature"}
    if signed.expires is None and unsigned and _text(credentials, "verb").upper() == "POST":
        return unsigned, {}
    return (unsigned,)


def _canonical(
    credentials: Mapping[str, Any],
    params: Mapping[str, list[str]],
    headers: Mapping[str, str],
    signed: Signed,
) -> str:
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, values in params.items() for value in values
    )
    lines = [
        _text(credentials, "verb").upper(),
        _text(credentials, "path"),
        "&".join(f"{name}={value}" for name, value in pairs),
        *(f"{name}:{' '.join(headers[name].split())}" for name in signed.signed_headers),
        "",
        ";".join(signed.signed_headers),
        _text(credentials, "body_hash"),
    ]
    return "\n".join(lines)


def _signature(canonical: str, signed: Signed, secret: str) -> bytes:
    digest = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    scope = "/".join((*signed.scope, "aws4_request"))
    key = ("AWS4" + secret).encode("utf-8")
    for part in (*signed.scope, "aws4_request"):
        key = hmac.digest(key, part.encode("utf-8"), "sha256")
    text = "\n".join((ALGORITHM, signed.date, scope, digest))
    return hmac.digest(key, text.encode("utf-8"), "sha256").hex().encode("ascii")
