"""Logs: one line a record, with the request's id, without secrets.

Redaction is done by the formatter, so that no caller can forget it: by the names of keys and by the shape of
values.  Line breaks are escaped and a field longer than 1 KiB is cut.
"""

from __future__ import annotations

import contextvars
import datetime
import linecache
import logging
import re
import sys
from typing import Any

import orjson

_request: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
_statements: contextvars.ContextVar[int] = contextvars.ContextVar("statements", default=0)
MAX_FIELD = 1024
MAX_TRACE = 16 * 1024
_ESCAPED = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
_WORDS = "password|passwd|secret|token|credential|authorization|adminpass|admin_pass|signature|user_data"
_KEYS = rf"(?:[\w-]*(?:{_WORDS})[\w-]*)"
_NAMED = (
    (re.compile(rf"""(["']?{_KEYS}["']?\s*[:=]\s*)(["'])(?:\\.|(?!\2).)*\2""", re.IGNORECASE), r"\1\2***\2"),
    (re.compile(rf"(\b{_KEYS}=)[^\s&'\",]+", re.IGNORECASE), r"\1***"),
)
_SHAPED = (
    (re.compile(r"(os-console-auth-tokens/)[^\s/?]+"), r"\1***"),
    (re.compile(r"gAAAAA[A-Za-z0-9_\-=]{20,}"), "gAAAAA***"),
    (re.compile(r"(://[^:/@\s]+:)[^@/\s]+@"), r"\1***@"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END|$)", re.DOTALL), "***private key***"),
)


#: a text without any of these, in lower case, is none that a pattern changes: most lines, at a tenth of the cost
_SIGNS = (*_WORDS.split("|"), "gaaaaa", "://", "private key")
#: nor do the patterns of names change one without this, which is a hundredth of their work: a path may have "tokens"
_NAME = re.compile(rf"(?:{_WORDS})[\w-]*[\"']?\s*[:=]")


def bind(request_id: str) -> None:
    """Name the request whose records follow, in this task, and count its SQL statements from here on."""
    _request.set(request_id)
    _statements.set(0)


def count_statement() -> None:
    """Add an SQL statement to those of this task's request."""
    _statements.set(_statements.get() + 1)


def statements() -> int:
    """Return how many SQL statements this task has sent for the request it is bound to."""
    return _statements.get()


def redact(text: str) -> str:
    """Return ``text`` without what looks like a secret."""
    lower = text.lower()
    if not any(sign in lower for sign in _SIGNS):
        return text
    named = _NAMED if not text.isascii() or _NAME.search(lower) else ()
    for pattern, replacement in (*named, *_SHAPED):
        text = pattern.sub(replacement, text)
    return text


def _one_line(text: str) -> str:
    """``text`` with line breaks and other control characters escaped."""
    if text.isprintable():
        return text
    return text.translate(_ESCAPED)


def change(logger: logging.Logger, resource: str, id: str, event: str, before: str, after: str, **more: Any) -> None:
    """Write the line of a state change, once it is committed; in the JSON form its words are fields of ``change``.

    :param more: plain values, none of them secret
    """
    if logger.isEnabledFor(logging.INFO):
        words = {"resource": resource, "id": id, "event": event, "from": before, "to": after, **more}
        rest = "".join(f" {name}={value}" for name, value in more.items())
        logger.info("%s %s %s: %s -> %s%s", resource, id, event, before, after, rest, extra={"change": words})


class Formatter(logging.Formatter):
    """``time level logger [request id] message`` or the same as one JSON object."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        message = redact(record.getMessage())
        if len(message) > MAX_FIELD:
            message = message[:MAX_FIELD] + "…"
        message = _one_line(message)
        if record.exc_info:
            trace = redact(self.formatException(record.exc_info))[-MAX_TRACE:]
            linecache.clearcache()  # else every file a trace went through stays in memory
            # what an exception says may be a client's words: no line of it can look like a record
            message += "".join("\n  | " + _one_line(line) for line in trace.split("\n"))
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        stamp = when.isoformat(timespec="milliseconds")[:23] + "Z"
        if self._as_json:
            fields: dict[str, Any] = {
                "time": stamp, "level": record.levelname.lower(), "logger": record.name,
                "request_id": _request.get(), "message": message,
            }  # fmt: skip
            if hasattr(record, "change"):
                fields["change"] = record.change  # pyright: ignore[reportAttributeAccessIssue]  of change()
            return orjson.dumps(fields).decode()
        return f"{stamp} {record.levelname:<7} {record.name} [{_request.get()}] {message}"


def setup(level: str = "info", form: str = "text", file: str = "") -> None:
    """Send every record of the process to ``file`` or to standard error."""
    handler: logging.Handler = logging.FileHandler(file) if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(form == "json"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    for unused in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks", "_srcfile"):
        setattr(logging, unused, None)  # no record says where it was written: finding that out is a quarter of its cost
    root.setLevel(level.upper())
    for noisy in (
        "amqp",
        "urllib3",
        "kombu",
        "oslo_policy",
        "sqlalchemy",
        "alembic",
        "stevedore",
        "iaas.wsgi",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
