"""From a handler's result to the XML an EC2 client expects, by the response the model declares.

Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html#query-response

XML is only ever written here; the cloud parses none.
"""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from iaas.api.ec2 import model

#: What XML 1.0 has no way to write; shown as the replacement character.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def response(action: model.Action, result: Mapping[str, Any] | None, request_id: str, namespace: str) -> bytes:
    """The answer to ``action``: ``result`` by element names, None values left out.

    An action whose response the model leaves empty answers ``<return>true</return>``, as AWS documents it.

    :raises TypeError: ``result`` is not what the model declares: a mistake in the handler.
    """
    root = Element(f"{action.name}Response", xmlns=namespace)
    SubElement(root, "requestId").text = _text(request_id)
    if action.response is not None:
        _structure(root, action.name, result or {}, action.response)
    elif result:
        raise TypeError(f"{action.name} answers nothing, the handler {sorted(result)}")
    else:
        SubElement(root, "return").text = "true"
    return _document(root)


def error(code: str, message: str, request_id: str) -> bytes:
    """The error document."""
    root = Element("Response")
    inner = SubElement(SubElement(root, "Errors"), "Error")
    SubElement(inner, "Code").text = _text(code)
    SubElement(inner, "Message").text = _text(message)
    SubElement(root, "RequestID").text = _text(request_id)
    return _document(root)


def _document(root: Element) -> bytes:
    text = tostring(root, encoding="utf-8", xml_declaration=True)
    # A reader turns a bare carriage return into a line feed; the serializer writes none of its own.
    return text.replace(b"\r", b"&#13;")


def _text(value: str) -> str:
    return _NOT_XML.sub("\ufffd", value)


def _structure(parent: Element, path: str, value: Any, shape: model.Structure) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{path}: not a mapping but {type(value).__name__}")
    for name, item in value.items():
        member = shape.members.get(name)
        if member is None:
            raise TypeError(f"{path}: {shape.name} has no element {name!r}")
        if item is not None:
            _value(SubElement(parent, name), f"{path}.{name}", item, member)


def _value(element: Element, path: str, value: Any, shape: model.Shape) -> None:
    if isinstance(shape, model.Structure):
        _structure(element, path, value, shape)
    elif isinstance(shape, model.ListOf):
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise TypeError(f"{path}: not a list but {type(value).__name__}")
        for index, item in enumerate(value, 1):
            _value(SubElement(element, "item"), f"{path}.{index}", item, shape.item)
    else:
        accepted, write = SCALARS[shape.type]
        # True is an int to Python, and "True" is no number to a client
        if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
            raise TypeError(f"{path}: not {shape.type} but {type(value).__name__}")
        try:
            element.text = write(value)
        except ValueError as exc:
            raise TypeError(f"{path}: {exc}") from exc


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _timestamp(value: datetime.datetime) -> str:
    if value.utcoffset() is None:
        raise ValueError("a time without a zone")
    utc = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def _blob(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


#: For each scalar type: the Python types a handler may give, and how they are written.
SCALARS: dict[str, tuple[tuple[type, ...], Callable[[Any], str]]] = {
    "string": ((str,), _text),
    "integer": ((int,), str),
    "long": ((int,), str),
    "float": ((float, int), repr),
    "double": ((float, int), repr),
    "boolean": ((bool,), _boolean),
    "timestamp": ((datetime.datetime,), _timestamp),
    "blob": ((bytes,), _blob),
}
