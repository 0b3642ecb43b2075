"""Writes `iaas/api/ec2/model.json` from the EC2 service model that botocore ships.

Source: https://github.com/boto/botocore (data/ec2/<version>/service-2.json.gz).

Only what the edge needs is kept: the wire names of parameters and response elements, their types and which
are required.  A reference is a scalar type in lower case, the name of a structure, either in brackets for a
list, and with `!` behind it when it is required: `integer!`, `[Filter]`.

    tools/ec2_model.py            write the file
    tools/ec2_model.py --check    exit 1 when the committed file is not what would be written
    tools/ec2_model.py --list     every published action, the served ones marked with `*`
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import botocore

TARGET = Path(__file__).resolve().parent.parent / "iaas" / "api" / "ec2" / "model.json"

#: The actions this cloud serves, or is about to: `iaas/api/ec2/<noun>.py` can only declare these.
ACTIONS = (
    "CreateKeyPair",
    "CreateTags",
    "DeleteKeyPair",
    "DeleteTags",
    "DescribeAvailabilityZones",
    "DescribeImages",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeKeyPairs",
    "DescribeRegions",
    "DescribeTags",
    "GetConsoleOutput",
    "ImportKeyPair",
    "RebootInstances",
    "RunInstances",
    "StartInstances",
    "StopInstances",
    "TerminateInstances",
)
SCALARS = {"string", "integer", "long", "float", "double", "boolean", "timestamp", "blob"}

Json = dict[str, Any]


def published() -> Json:
    """The newest EC2 service model of the installed botocore."""
    folder = Path(botocore.__file__).parent / "data" / "ec2"
    newest = max(path for path in folder.iterdir() if path.is_dir())
    with gzip.open(newest / "service-2.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def parameter_name(name: str, member: Json, _: Json) -> str:
    """The name of a request parameter: EC2 capitalises what the response spells in lower case."""
    if "queryName" in member:
        return member["queryName"]
    given = member.get("locationName", name)
    return given[0].upper() + given[1:]


def element_name(name: str, member: Json, target: Json) -> str:
    """The name of a response element."""
    if target.get("flattened"):
        raise SystemExit(f"flattened list {name}: the edge writes none")
    return member.get("locationName", name)


class Side:
    """The structures reachable from the requests, or from the responses."""

    def __init__(self, shapes: Json, name_of: Any) -> None:
        self.shapes = shapes
        self.name_of = name_of
        self.found: Json = {}

    def reference(self, name: str) -> str:
        """How a member points at shape ``name``; structures met on the way are collected."""
        shape = self.shapes[name]
        if shape["type"] in SCALARS:
            return shape["type"]
        if shape["type"] == "list":
            item = shape["member"]
            if self.name_of is element_name and item.get("locationName", "item") != "item":
                raise SystemExit(f"{name}: list items are called {item['locationName']}, not item")
            return f"[{self.reference(item['shape'])}]"
        if shape["type"] != "structure":
            raise SystemExit(f"{name}: the edge knows no type {shape['type']}")
        self.collect(name, shape)
        return name

    def collect(self, name: str, shape: Json) -> None:
        if name in self.found:
            return
        members: Json = {}
        self.found[name] = members  # before the members: shapes may be recursive
        for member_name, member in shape["members"].items():
            wire = self.name_of(member_name, member, self.shapes[member["shape"]])
            if wire in members:
                raise SystemExit(f"{name}: two members are called {wire}")
            required = "!" if member_name in shape.get("required", ()) else ""
            members[wire] = self.reference(member["shape"]) + required


def build(service: Json) -> Json:
    """The content of the model file."""
    requests = Side(service["shapes"], parameter_name)
    responses = Side(service["shapes"], element_name)
    actions: Json = {}
    for name in ACTIONS:
        operation = service["operations"][name]
        entry = actions[name] = {}
        if "input" in operation:
            entry["request"] = requests.reference(operation["input"]["shape"])
        if "output" in operation:
            entry["response"] = responses.reference(operation["output"]["shape"])
    return {
        "version": service["metadata"]["apiVersion"],
        "namespace": service["metadata"]["xmlNamespace"] + "/",
        "actions": actions,
        "requests": requests.found,
        "responses": responses.found,
        "published": sorted(service["operations"]),
    }


def render(model: Json) -> str:
    """JSON with one action or structure a line, so that a change reads well in a diff."""
    parts = []
    for key, value in model.items():
        if isinstance(value, dict):
            lines = [f"  {json.dumps(name)}: {json.dumps(value[name])}" for name in sorted(value)]
            parts.append(f" {json.dumps(key)}: {{\n" + ",\n".join(lines) + "\n }")
        elif isinstance(value, list):
            lines = [f"  {json.dumps(item)}" for item in value]
            parts.append(f" {json.dumps(key)}: [\n" + ",\n".join(lines) + "\n ]")
        else:
            parts.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Generate the EC2 model of the edge from botocore's.")
    parser.add_argument("--check", action="store_true", help="only say whether the file is current")
    parser.add_argument("--list", action="store_true", help="print every published action")
    args = parser.parse_args(argv)
    service = published()
    if args.list:
        for name in sorted(service["operations"]):
            print(("* " if name in ACTIONS else "  ") + name)
        print(f"{len(ACTIONS)} of {len(service['operations'])} published actions are in the model")
        return 0
    text = render(build(service))
    if args.check:
        current = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text
        if not current:
            print(f"{TARGET.name} is not current: run tools/ec2_model.py", file=sys.stderr)
        return 0 if current else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
