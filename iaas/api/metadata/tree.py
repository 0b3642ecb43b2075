"""The two trees of documents under 169.254.169.254, and how a path is read in them.

A folder is listed one name a line, folders with a slash; a key's folder is listed as ``0=name``, as EC2 does.
"""

from __future__ import annotations

import json
from typing import Any

from iaas.compute import metadata
from iaas.db import codec

EC2_VERSIONS = (
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
    "2009-04-04",
)  # fmt: skip
OPENSTACK_VERSIONS = (
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
    "2020-10-14",
)  # fmt: skip
LATEST = "latest"
OPENSTACK = "openstack"
NAME = "_name"  # of a key: how its folder is listed

#: a document, or a folder of them
Node = Any


def versions() -> str:
    """The list at ``/``."""
    return "\n".join((*EC2_VERSIONS, LATEST))


def known(path: list[str]) -> bool:
    """Whether a path can be a document of any guest: what is not need not be looked up."""
    if not path:
        return True
    if path[0] == OPENSTACK:
        return len(path) == 1 or path[1] in (*OPENSTACK_VERSIONS, LATEST)
    return path[0] in (*EC2_VERSIONS, LATEST)


def of(row: Any, path: list[str], *, domain: str, subnets: Any, seed: bytes) -> Node | None:
    """Return the document or folder at ``path`` for an instance, or None.

    :param seed: bytes for the guest's entropy pool
    """
    if path[0] == OPENSTACK:
        node: Node = _openstack(row, domain, subnets, seed) if len(path) > 1 else None
        if node is None:
            return "\n".join((*OPENSTACK_VERSIONS, LATEST))
        return _walk(node, path[2:])
    return _walk(_ec2(row, domain), path[1:])


def _ec2(row: Any, domain: str) -> Node:
    tree: Node = {"meta-data": metadata.ec2_meta_data(row, domain=domain)}
    data = metadata.user_data(row)
    return tree if data is None else {**tree, "user-data": data}


def _openstack(row: Any, domain: str, subnets: Any, seed: bytes) -> Node:
    info = codec.load(row.network_info, [])
    tree: Node = {
        "meta_data.json": _json(metadata.meta_data(row, domain=domain, random_seed=seed)),
        "network_data.json": _json(metadata.network_data(info, subnets)),
        "vendor_data.json": _json({}),
        "vendor_data2.json": _json({}),
    }
    data = metadata.user_data(row)
    return tree if data is None else {**tree, "user_data": data}


def _json(words: Any) -> bytes:
    return json.dumps(words, sort_keys=True).encode()


def _walk(node: Node, path: list[str]) -> Node | None:
    for name in path:
        if not isinstance(node, dict) or name not in node or name == NAME:
            return None
        node = node[name]
    return node


def rendered(node: Node) -> bytes:
    """Return a document's bytes, or a folder's list."""
    if isinstance(node, bytes):
        return node
    if isinstance(node, str):
        return node.encode()
    if isinstance(node, list):
        return "\n".join(node).encode()
    return "\n".join(_listed(name, child) for name, child in sorted(node.items()) if name != NAME).encode()


def _listed(name: str, child: Node) -> str:
    if not isinstance(child, dict):
        return name
    return f"{name}={child[NAME]}" if NAME in child else f"{name}/"
