"""Writes `tests/contract_data/members.json`: the members that published samples of answers have.

Source: ../shared/reference/samples (IAAS_REFERENCE names another folder).

The OpenAPI documents leave nearly every member optional, so that an empty server would pass; the samples show what
clients really get.  A sample belongs to the operations whose described answer has its outer members, by the verb in
its name and by its folder; it counts if it meets the contract at its microversion.

    tools/contract_samples.py            write the file
    tools/contract_samples.py --check    exit 1 when the committed file is not what would be written
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a script, only tools/ is on the path

from tests.fixtures import contract  # noqa: E402
from tools.contract import folder as documents  # noqa: E402

TARGET = contract.DATA / "members.json"
NEWEST_COMPUTE = (2, 96)
VERBS = (
    ("GET", r"list|show|get|details?|inferences|info"),
    ("POST", r"create|post|add|import|accept|rebuild|register"),
    ("PUT", r"update|put|set|accept|add|remove"),
    ("PATCH", r"update"),
)
VALID = "valid"
Members = dict[str, dict[str, dict[str, list[str]]]]


def folder() -> Path:
    """Where the published samples are; it need not exist."""
    return documents().parent / "samples"


def samples(service: str) -> Iterator[Path]:
    """The samples of answers of the API versions we serve."""
    for path in sorted((folder() / service).rglob("*.json")):
        old = {"v2-ext"} | ({"v2"} if service == "block-storage" else set())
        if re.search(r"resp(onse)?[^/]*\.json$", path.name) and not old & set(path.parts):
            yield path


def version_of(sample: Path) -> tuple[int, int] | None:
    """The microversion a sample's folder is called by."""
    named = re.search(r"/v(\d+)\.(\d+)/", sample.as_posix())
    return (int(named[1]), int(named[2])) if named else None


def _outer(operation: contract.Published) -> set[str]:
    """The names an answer may have at its top."""
    names: set[str] = set()
    for status, schema in operation.responses.items():
        if status < 300 and schema:
            target = contract.load(operation.service)["schemas"].get(schema.get("$ref"), schema)
            names |= {name for name in target.get("properties", {}) if not name.endswith("links")}
    return names


def operations_of(service: str, sample: Path, body: Any) -> list[contract.Published]:
    """The operations a sample may be an answer of."""
    if not isinstance(body, dict):
        return []
    top = {name for name in body if not name.endswith("links")}
    methods = {method for method, words in VERBS if re.search(rf"\b({words})\b", sample.name.replace("_", "-"))}
    found = [
        row
        for row in contract.operations(service)
        if top and top <= _outer(row) and (row.method in methods or not methods) and row.statuses - {204}
    ]
    noun = [row for row in found if set(sample.parts) & set(row.path.split("/"))]
    found = noun or found
    return [row for row in found if ("detail" in sample.name) == ("detail" in row.path)] or found


def difference(row: contract.Published, body: Any, version: str | None) -> str | None:
    """How a sample differs from what the contract says of ``row``; None if it does not."""
    try:
        contract.validate_response(
            row.service, row.method, row.path, min(row.statuses - {204}), body, action=row.action, microversion=version
        )
    except AssertionError as error:
        return str(error)
    return None


def outcome(service: str, sample: Path) -> str:
    """``valid``, why the sample was not compared, or how it differs."""
    try:
        body = json.loads(sample.read_text(encoding="utf-8"))
    except ValueError:
        return "not JSON"
    version = version_of(sample)
    if service == "compute" and version is not None and version > NEWEST_COMPUTE:
        return "newer than the document"
    # a volume sample that names no microversion is of whichever was the newest when it was written
    said = f"{version[0]}.{version[1]}" if version else "latest" if service == "block-storage" else None
    differences = [difference(row, body, said) for row in operations_of(service, sample, body)]
    if not differences:
        return "no operation describes such an answer"
    return VALID if None in differences else differences[0] or VALID


def build() -> Members:
    """By operation and by the microversion a sample is of: for each outer member, the members inside it."""
    found: Members = {}
    for service in contract.SERVICES:
        for sample in samples(service):
            version = version_of(sample)
            if outcome(service, sample) == VALID and (version is None or version <= NEWEST_COMPUTE or version[0] != 2):
                _add(found, service, sample, f"{version[0]}.{version[1]}" if version else "0.0")
    return found


def _add(found: Members, service: str, sample: Path, version: str) -> None:
    body = json.loads(sample.read_text(encoding="utf-8"))
    said = None if version == "0.0" else version
    rows = [row for row in operations_of(service, sample, body) if difference(row, body, said) is None]
    if len(rows) != 1:
        return  # several operations answer like this; it is not known which one did
    if service == "compute" and not set(sample.parts) & set(rows[0].path.split("/")):
        return  # another resource's story, told with a shortened answer
    at = found.setdefault(str(rows[0]), {}).setdefault(version, {})
    for member, inner in contract.inner_members(body).items():
        at[member] = sorted(set(at.get(member, inner)) & set(inner))


def render(members: Members) -> str:
    """JSON with one operation a line."""
    lines = (f"{json.dumps(name)}:{json.dumps(members[name], sort_keys=True)}" for name in sorted(members))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Extract the members of published answers into test data.")
    parser.add_argument("--check", action="store_true", help="only say whether the file is current")
    args = parser.parse_args(argv)
    if not folder().is_dir():
        print(f"SKIPPED: the published samples are not at {folder()}; nothing was compared", file=sys.stderr)
        return 0 if args.check else 1
    text = render(build())
    if not args.check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET.name} is not current: run tools/contract_samples.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
