"""Writes `tests/contract_data/<service>.json` from the published OpenAPI documents.

Source: ../shared/reference/openapi (IAAS_REFERENCE names another folder).

Kept are names, types, formats, enumerations, required keys, status codes and microversions; prose is not.  The
documents list every path of the volume API twice, with and without `{project_id}`; the shorter one is kept.

    tools/contract.py            write the files
    tools/contract.py --check    exit 1 when a committed file is not what would be written
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests" / "contract_data"
SOURCES = {
    "compute": "compute-v2.96.yaml",
    "identity": "identity-v3.14.yaml",
    "image": "image-v2.16.yaml",
    "network": "network-v2.yaml",
    "block-storage": "block-storage-v3.70.yaml",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
#: what a validator acts on; the rest of a schema is for readers
KEYWORDS = frozenset({
    "$ref", "type", "required", "items", "enum", "format", "additionalProperties", "oneOf", "anyOf", "allOf", "not",
    "const", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "pattern", "minProperties",
    "maxProperties", "uniqueItems", "x-openstack",
})  # fmt: skip
MEMBERS = ("properties", "patternProperties")
REF = "#/components/schemas/"
#: the documents' prose names the real success codes more often than their generated `responses` do
PROSE_CODES = re.compile(r"normal response codes?:?([^\n]*)", re.IGNORECASE)

Json = dict[str, Any]


def folder() -> Path:
    """Where the published documents are; it need not exist."""
    named = os.environ.get("IAAS_REFERENCE")
    return (Path(named) if named else ROOT.parent / "shared" / "reference") / "openapi"


@functools.cache
def load(path: Path) -> Json:
    """One parsed document: seconds, even with the C loader."""
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, yaml.CSafeLoader)


def prune(schema: Any) -> Any:
    """A schema without the words that are only for readers."""
    if isinstance(schema, list):
        return [prune(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: Json = {}
    for key, value in schema.items():
        if key in MEMBERS:
            kept[key] = {name: prune(member) for name, member in value.items()}
        elif key == "x-openstack":
            marks = {name: str(mark) for name, mark in value.items() if name not in ("description", "todo")}
            if marks:
                kept[key] = marks
        elif key == "$ref":
            kept[key] = value.removeprefix(REF)
        elif key in KEYWORDS:
            kept[key] = list(value) if key == "enum" else prune(value)
    return kept


def references(schema: Any) -> Iterator[str]:
    """The names of the schemas that ``schema`` points at directly."""
    if isinstance(schema, list):
        for item in schema:
            yield from references(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from references(value)


class Extract:
    """The operations of one document, and the schemas they reach."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.published = document["components"]["schemas"]
        self.schemas: Json = {}

    def operations(self) -> Iterator[Json]:
        paths = self.document["paths"]
        for path, item in paths.items():
            if path.startswith("/v3/{project_id}") and path.replace("/{project_id}", "", 1) in paths:
                continue  # the volume API's second spelling of the same operations
            for method in METHODS:
                if method.lower() in item:
                    yield from self._rows(method, path, item[method.lower()])

    def _rows(self, method: str, path: str, declared: Json) -> Iterator[Json]:
        body = _json_schema(declared.get("requestBody", {}))
        if body.get("x-openstack", {}).get("discriminator") != "action":
            yield self._row(method, path, declared, None, body)
            return
        for wanted in body["oneOf"]:
            marks = self.published[wanted["$ref"].removeprefix(REF)]["x-openstack"]
            yield self._row(method, path, declared, marks["action-name"], wanted)

    def _row(self, method: str, path: str, declared: Json, action: str | None, body: Json) -> Json:
        row: Json = {"method": method, "path": path}
        if action is not None:
            row["action"] = action
        # An action's marks say when its body took the latest form, not when the action began.
        row.update(prune(declared).get("x-openstack", {}))
        if body:
            row["request"] = self._keep(prune(body))
        prose = PROSE_CODES.search(declared.get("description", ""))
        codes = sorted(set(re.findall(r"\b2\d\d\b", prose[1]))) if prose else []
        if codes:
            row["prose"] = codes
        row["responses"] = {
            str(status): self._keep(self._answer(_json_schema(answer), action))
            for status, answer in sorted(declared["responses"].items())
        }
        return row

    def _answer(self, schema: Json, action: str | None) -> Any:
        """The schema of an answer, of the alternatives only those of ``action``; None where none is published."""
        kept = prune(schema)
        if action is None or not kept:
            return kept or None
        alternatives = kept.get("oneOf", [kept])
        mine = [item for item in alternatives if self._belongs(item.get("$ref", ""), action)]
        return mine[0] if mine else None

    def _belongs(self, name: str, action: str) -> bool:
        marks = self.published.get(name, {}).get("x-openstack", {})
        if "action-name" in marks:
            return marks["action-name"] == action
        return name.lower().endswith(f"action{action}response".lower())

    def _keep(self, schema: Any) -> Any:
        for name in references(schema):
            if name not in self.schemas:
                self.schemas[name] = prune(self.published[name])
                self._keep(self.schemas[name])
        return schema


def _json_schema(holder: Json) -> Json:
    return holder.get("content", {}).get("application/json", {}).get("schema", {})


def build(document: Json) -> Json:
    """The content of one contract file."""
    extract = Extract(document)
    operations = list(extract.operations())
    return {"version": document["info"]["version"], "operations": operations, "schemas": extract.schemas}


def render(contract: Mapping[str, Any]) -> str:
    """JSON with one operation or schema a line, so that a change reads well in a diff."""

    def dense(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=True)

    operations = ",\n".join(dense(row) for row in contract["operations"])
    schemas = ",\n".join(f"{dense(name)}:{dense(schema)}" for name, schema in sorted(contract["schemas"].items()))
    return (
        f'{{"version":{dense(contract["version"])},\n"operations":[\n{operations}\n],\n"schemas":{{\n{schemas}\n}}}}\n'
    )


def stale(services: Mapping[str, str] = SOURCES, target: Path = TARGET) -> list[str]:
    """The services whose committed file is not what would be written now."""
    return [
        service
        for service, name in services.items()
        if not (file := target / f"{service}.json").exists()
        or file.read_text(encoding="utf-8") != render(build(load(folder() / name)))
    ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Extract the published API contract into test data.")
    parser.add_argument("--check", action="store_true", help="only say whether the files are current")
    args = parser.parse_args(argv)
    if not folder().is_dir():
        print(f"SKIPPED: the published documents are not at {folder()}; nothing was compared", file=sys.stderr)
        return 0 if args.check else 1
    if args.check:
        old = stale()
        for service in old:
            print(f"{service}.json is not current: run tools/contract.py", file=sys.stderr)
        return 1 if old else 0
    TARGET.mkdir(exist_ok=True)
    for service, name in SOURCES.items():
        text = render(build(load(folder() / name)))
        (TARGET / f"{service}.json").write_text(text, encoding="utf-8")
        print(f"{service}: {len(text) // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
