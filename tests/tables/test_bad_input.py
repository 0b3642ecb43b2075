"""Every operation that takes a body, a query or a version, given what it must refuse (T53, T33).

The oracle: never a 500, always the API's own fault, no row changed and no message sent by what was refused, and a
normal request is answered right after.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from iaas.api import ec2
from iaas.api.ec2 import model
from tests.fixtures import matrix, matrix_bodies
from tests.fixtures.matrix import Row, World, shared_world, world

__all__ = ["shared_world", "world"]
ROWS = matrix.rows()
WITH_BODY = [pytest.param(row, id=str(row)) for row in ROWS if row.operation.body is not None]
UNIQUE = {str(row): row for row in ROWS}
ALL = [pytest.param(row, id=name) for name, row in UNIQUE.items()]
LISTS = [
    pytest.param(row, id=name)
    for name, row in UNIQUE.items()
    if row.operation.method == "GET" and row.operation.policy != "public"
]

#: texts that are no JSON at all, or JSON with a trap
NO_JSON = {
    "cut": b'{"a": ',
    "words": b"not json",
    "two values": b"{}{}",
    "single quotes": b"{'a': 1}",
    "comment": b"{}//",
    "NaN": b'{"a": NaN}',
    "infinity": b"[-Infinity]",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 16_000,
    "closed deep lists": b"[" * 40 + b"]" * 40,
    "deep and closed": b'{"a":' * 900 + b"1" + b"}" * 900,
    "100000 digits": b'{"a": ' + b"9" * 100_000 + b"}",
    "key twice": b'{"a": 1, "a": 2}',
    "bad UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "BOM": b"\xef\xbb\xbf{}",
    "NUL": b"\x00",
    "surrogate": b'{"\\ud800": "\\udfff"}',
    "raw surrogate": b'{"a": "\xed\xa0\x80"}',
    "NUL in a key": b'{"\\u0000": 1}',
    "blank": b"   ",
    "many keys": json.dumps(dict.fromkeys(map(str, range(5000)))).encode(),
    "XML": b'<?xml version="1.0"?><a/>',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "form": b"a=1&b=2",
}
#: JSON that no operation takes
NO_BODY = {
    "list": b"[]",
    "null": b"null",
    "text": b'""',
    "number": b"1",
    "true": b"true",
    "nothing": b"{}",
    "bytes": b"",
}


def refused(world: World, row: Row, answer: matrix.Answer, what: str) -> None:
    """Hold an answer against the oracle."""
    assert answer.status < 500 or answer.status == 501, (what, answer.status, answer.data)
    changed = world.changed()
    if answer.status >= 400:
        assert matrix.is_fault(row.api, answer), (what, answer.headers, answer.data)
        assert not changed, (what, answer.status, answer.data, changed)
        assert len(answer.data) < 4096, (what, answer.data)
    world.restore()


def answers_normally(world: World) -> None:
    assert world.ask("compute", "GET", "/v2.1/servers").status == 200


@pytest.mark.parametrize("row", WITH_BODY)
def test_what_is_no_json_is_refused(world: World, row: Row) -> None:
    for what, raw in NO_JSON.items():
        answer = world.send(row, raw, "admin")
        assert 400 <= answer.status < 500, (what, answer.status, answer.data)
        refused(world, row, answer, what)
    for what, raw in NO_BODY.items():
        answer = world.send(row, raw, "admin")
        refused(world, row, answer, what)
        if what not in ("list", "nothing", "null", "none"):
            assert answer.status == 400, (what, answer.status, answer.data)
    answers_normally(world)


@pytest.mark.parametrize("row", WITH_BODY)
def test_too_large_a_body_and_another_content_type_are_refused(world: World, row: Row) -> None:
    limit = row.operation.max_body or world.settings.api.max_body
    sizes = {
        "one byte too many": (b" " * (limit + 1), {}),
        "announced only": (b"{}", {"Content-Length": "100000000000"}),
        "endless digits": (b"{}", {"Content-Length": "9" * 5000}),
    }
    for what, (raw, headers) in sizes.items():
        answer = world.send(row, raw, "admin", headers=headers)
        assert answer.status == 413, (what, answer.status, answer.data)
        refused(world, row, answer, what)
    for length in ("-1", "abc", "1.5", "٣", "+2", "0x2", "10"):
        answer = world.send(row, b"{}", "admin", headers={"Content-Length": length})
        assert answer.status == 400, (length, answer.status, answer.data)
        refused(world, row, answer, length)
    for media in ("text/xml", "application/xml", "multipart/form-data; boundary=x", "application/jsonx", "x" * 300):
        answer = world.send(row, b"{}", "admin", headers={"Content-Type": media})
        assert answer.status == 415, (media, answer.status, answer.data)
        refused(world, row, answer, media)
    answers_normally(world)


def bodies(row: Row) -> list:
    """Bodies that fit the operation's latest schema: small, and with all it knows."""
    compiled = row.operation.body.values[-1]
    found = []
    for full in (False, True):
        body = matrix_bodies.sample(compiled.schema, full=full)
        if body not in found:
            found.append(body)
    return found


@pytest.mark.parametrize("row", WITH_BODY)
def test_a_value_of_another_kind_is_never_a_crash(world: World, row: Row) -> None:
    seen = set()
    for body in bodies(row):
        for place in matrix_bodies.places(body):
            if place in seen:
                continue
            seen.add(place)
            for what, raw in matrix_bodies.BAD_VALUES.items():
                answer = world.send(row, matrix_bodies.with_raw(body, place, raw), "admin")
                refused(world, row, answer, f"{what} at {place}")
    answers_normally(world)


@pytest.mark.parametrize("row", WITH_BODY)
def test_a_key_nobody_declared_is_refused(world: World, row: Row) -> None:
    schema = row.operation.body.values[-1].schema
    for body in bodies(row)[:1]:
        for place in matrix_bodies.places(body):
            for key in ("_internal", "x" * 300, "", "a\x00b", "\ud800"):
                raw = matrix_bodies.with_key(body, place, key)
                if raw is not None:
                    answer = world.send(row, raw, "admin")
                    if place == () and schema.get("additionalProperties") is False:
                        assert answer.status == 400, (key, answer.status, answer.data)
                    refused(world, row, answer, f"{key!r} in {place}")
    answers_normally(world)


QUERIES = (
    "limit=-1",
    "limit=abc",
    "limit=99999999999999999999",
    "limit=",
    "limit=1e3",
    "limit=%D9%A3",
    "limit=0",
    "limit=1&limit=x",
    "marker=../x",
    "marker=" + "x" * 300,
    "marker=%ff",
    "marker=%00",
    "marker=a%00b",
    "marker=",
    "marker=%ed%a0%80",
    "sort_key=nothing",
    "sort_key=__class__",
    "sort_key=name;DROP",
    "sort_dir=sideways",
    "sort=name:sideways",
    "sort=:,:",
    "&".join(f"sort_key=k{n}" for n in range(60)),
    "changes-since=garbage",
    "changes-since=9999999-01-01",
    "changes-since=",
    "changes-since=9999-12-31T23:59:59-14:00",
    "changes-since=0001-01-01T00:00:00%2B14:00",
    "changes-before=x",
    "all_tenants=maybe",
    "all_tenants=" + "1" * 300,
    "name=(a%2B)%2B%24",
    "name=%5B",
    "name=*",
    "ip=.*(",
    "ip=" + "(" * 500,
    "name=" + "a%7C" * 200,
    "id=%27%3B--",
    "name=%25%5F%25",
    "status=%F0%9F%98%80",
    "project_id=" + "x" * 300,
    "tenant_id=../",
    "created_at=gt:garbage",
    "updated_at=bad:2026-01-01",
    "size_min=abc",
    "size_max=-1",
    "tags=" + ",".join(["t"] * 300),
    "fields=nothing",
    "fields=id&fields=id",
    "metadata=%7B",
    "metadata=%7B%27a%27%3A1%7D",
    "member_status=x",
    "visibility=x",
    "os_hidden=x",
    "protected=x",
    "is_public=x",
    "minDisk=x",
    "minRam=-1",
    "with_servers=x",
    "user_id=%00",
    "usage=x",
    "&".join(f"a{n}=b" for n in range(500)),
    "%00=1",
    "a%00=1",
    "%ff=1",
    "=",
    "&&&&",
    "a",
    "=a",
    "%",
    "%zz=%zz",
    "a=%",
    "\xff=1",
    "\x01=1",
    "page_reverse=x",
    "name__contains=%25",
    "name__nothing=x",
    "enabled=x",
    "parent_id=%00x",
    "effective&include_names",
    "scope.project.id=%ff",
    "start=x&end=y",
    "<script>alert(1)</script>=1",
    "limit=5%0d%0aX-Evil:1",
    "marker=%0d%0aX-Evil:1",
    "created_at=in:",
    "name=in:%22",
    "id=in:" + ",".join(["x"] * 400),
    "sort=" + ",".join(["name"] * 100),
    "access_rights=1",
    "locked=x",
    "ip_version=abc",
    "port_range_min=abc",
    "admin_state_up=x",
    "shared=%00",
    "cidr=x",
    "fixed_ips=ip_address%3Dx",
    "fixed_ips=nothing",
    "device_id=%F0%9F%98%80",
    "revision_number=99999999999999999999",
    "vcpus=x",
    "availability_zone=%5B",
    "image=%5B",
    "flavor=%5B",
    "host=%5B",
    "tags-any=,",
    "not-tags=%2C%2C",
    "binary=x",
    "reservation_id=" + "r" * 300,
    "power_state=99999999999999999999",
    "deleted=x",
    "launch_index=x",
)


@pytest.mark.parametrize("row", LISTS)
def test_a_garbled_query_is_never_a_crash(world: World, row: Row) -> None:
    for query in QUERIES:
        for who in ("member", "admin"):
            answer = world.send(row, None, who, "?" + query)
            refused(world, row, answer, f"{who} {query[:80]}")
            assert all("\n" not in value and "\r" not in value for value in answer.headers.values())
    answers_normally(world)


#: values no parameter of EC2 expects
EC2_VALUES = (
    "",
    " ",
    "x",
    "x" * 5000,
    "a\x00b",
    "\ud800",
    "\x1b",
    "a\r\nb: c",
    "-1",
    "1",
    "0x10",
    "1e5",
    "9" * 40,
    "1.5",
    "true",
    "None",
    "\u0661",
    "i-0",
    "i-" + "0" * 17,
    "i-" + "f" * 8,
    "ami-00000000",
    "*",
    "?" * 300,
    "[",
    "(a+)+$",
    "../x",
    "<a/>",
    "]]>",
    "&x;",
    "2026-01-01T00:00:00Z",
    "9999-99-99",
    "10.0.0.1/33",
    "%00",
    "name",
    "tag:x",
    "state",
    "nothing",
    "tiny",
    "YQ==",
    "====",
)


def _leaves(shape: Any, name: str, depth: int = 0) -> Iterator[str]:
    """The dotted names of every leaf below a parameter."""
    if isinstance(shape, model.Scalar) or depth > 4:
        yield name
    elif isinstance(shape, model.ListOf):
        yield from _leaves(shape.item, name + ".1", depth + 1)
    else:
        for member, inner in shape.members.items():
            yield from _leaves(inner, f"{name}.{member}" if name else member, depth + 1)


@pytest.mark.parametrize("name", [action.name for action in ec2.actions()])
def test_a_parameter_of_another_kind_is_never_a_crash_of_ec2(world: World, name: str) -> None:
    actions = ec2.actions()
    request = model.load().actions[name].request
    leaves = list(_leaves(request, "")) + [
        "Nothing",
        "Filter.1",
        "Filter.1.Name",
        "Filter.0.Name",
        "Filter.99999999999.Name",
    ]
    fine = {leaf: "1" for leaf in leaves if leaf.partition(".")[0] in request.required}
    context = world.context("member")
    for leaf in leaves:
        for value in EC2_VALUES:
            pairs = {"Action": name, "Version": "2016-11-15", **fine, leaf: value}
            if leaf == "Filter.1.Name":
                pairs["Filter.1.Value.1"] = "x"
            if leaf == "Filter.1.Value.1":
                pairs["Filter.1.Name"] = "instance-id"
            status, document = actions.dispatch(world.clients, context, list(pairs.items()), "req-1")
            assert status < 500, (leaf, value, document)
            assert status == 200 or not world.changed(), (leaf, value, document)
            assert len(document) < 20_000
            assert b"\x00" not in document
            assert b"\x1b" not in document
            world.restore()


#: what follows the service's name in the header, with M for its major version, and the answer
VERSIONS = {
    "latest": 200, "M.1": 200, "M.0": None, "M.999": 406, "99.1": 406, "0.1": 406, "M": 400, "M.1.1": 400, "-1.0": 400,
    "M.\u0663": 400, "M.1e1": 400, "x" * 1000: 400, "\u00ff": 400, "M.01": 400, "9" * 400 + ".1": 400, "latest.": 400,
    "": 200, "M.1 M.2": 200,
}  # fmt: skip


@pytest.mark.parametrize(("api", "path", "major"), [("compute", "/v2.1/servers", "2"), ("volume", "/v3/volumes", "3")])
def test_a_version_that_is_not_served_is_a_400_or_a_406(world: World, api: str, path: str, major: str) -> None:
    row = next(row for row in ROWS if row.api == api)
    for text, status in VERSIONS.items():
        header = f"{api} {text.replace('M', major)}"
        answer = world.ask(api, "GET", path, headers={"OpenStack-API-Version": header})
        assert status is None or answer.status == status, (text, answer.status, answer.data)
        refused(world, row, answer, text)


BAD_IDS = (
    "..", "%2e%2e", "a" * 300, "a" * 7000, "\x01", "a\r\nb", "\U0001f600", "-o", "'; --", "1", "0", "9" * 40,
    "00000000-0000-0000-0000-000000000000", "a\x00b", " ", "%s%n", "{0}", "<script>",
)  # fmt: skip


@pytest.mark.parametrize("row", ALL)
def test_a_method_or_an_id_that_cannot_be_is_refused(world: World, row: Row) -> None:
    path = world.path(row)
    for method in ("FOO", "TRACE", "CONNECT", "OPTIONS", "get", "PROPFIND"):
        answer = world.ask(row.api, method, path, None, "admin")
        assert answer.status in (404, 405), (method, answer.status, answer.data)
        refused(world, row, answer, method)
    if "{" not in row.operation.path or row.operation.method not in ("GET", "DELETE"):
        return
    before = world.path(row)
    for bad in BAD_IDS:
        filled = before.rsplit("/", 1)[0] + "/" + bad
        answer = world.ask(row.api, row.operation.method, filled, None, "admin")
        refused(world, row, answer, repr(bad))
        assert all("\n" not in value and "\r" not in value for value in answer.headers.values())
