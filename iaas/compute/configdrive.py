"""The config drive: an ISO 9660 disk labelled ``config-2`` with a guest's metadata, for guests without DHCP.

Source: https://docs.openstack.org/nova/latest/user/metadata.html
"""

from __future__ import annotations

import io
import json
import posixpath
from collections.abc import Mapping
from typing import Any

import pycdlib

LABEL = "config-2"
MAX_BYTES = 64 << 20  # a guest's user data and files are far smaller; this stops a caller's mistake


def build(
    metadata: Mapping[str, Any],
    *,
    user_data: bytes | None = None,
    network_data: Mapping[str, Any] | None = None,
    vendor_data: Mapping[str, Any] | None = None,
    ec2_metadata: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return the bytes of the ISO image.

    :param metadata: becomes ``openstack/latest/meta_data.json``
    :param ec2_metadata: becomes ``ec2/latest/meta-data.json``
    :param files: contents by the path the guest should write them to; they are listed in the metadata
    :raises ValueError: the drive would be larger than 64 MiB.
    """
    contents = _contents(metadata, user_data, network_data, vendor_data, ec2_metadata, files or {})
    total = sum(map(len, contents.values()))
    if total > MAX_BYTES:
        raise ValueError(f"a config drive of {total} bytes is larger than {MAX_BYTES}")
    return _iso(contents)


def _contents(
    metadata: Mapping[str, Any],
    user_data: bytes | None,
    network_data: Mapping[str, Any] | None,
    vendor_data: Mapping[str, Any] | None,
    ec2_metadata: Mapping[str, Any] | None,
    files: Mapping[str, bytes],
) -> dict[str, bytes]:
    """The files of the drive, by path."""
    contents: dict[str, bytes] = {}
    listed = []
    for number, (path, content) in enumerate(files.items()):
        contents[f"openstack/content/{number:04}"] = content
        listed.append({"content_path": f"/content/{number:04}", "path": path})
    told = {**metadata, "files": listed} if listed else metadata
    contents["openstack/latest/meta_data.json"] = _json(told)
    if user_data is not None:
        contents["openstack/latest/user_data"] = user_data
        contents["ec2/latest/user-data"] = user_data
    contents["openstack/latest/network_data.json"] = _json(network_data or {})
    contents["openstack/latest/vendor_data.json"] = _json(vendor_data or {})
    contents["ec2/latest/meta-data.json"] = _json(ec2_metadata or {})
    return contents


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _iso(contents: Mapping[str, bytes]) -> bytes:
    """An ISO image with Rock Ridge and Joliet names, which every guest system reads one of."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    try:
        for folder in sorted({parent for path in contents for parent in _parents(path)}):
            iso.add_directory("/" + folder.upper(), rr_name=posixpath.basename(folder), joliet_path="/" + folder)
        for path, content in contents.items():
            iso.add_fp(
                io.BytesIO(content),
                len(content),
                _plain_name(path),
                rr_name=posixpath.basename(path),
                joliet_path="/" + path,
            )
        out = io.BytesIO()
        iso.write_fp(out)
    finally:
        iso.close()
    return out.getvalue()


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _plain_name(path: str) -> str:
    """The ISO 9660 name: capitals, digits and underscores, one dot, a version."""
    folder, name = posixpath.split(path)
    stem, _, ending = name.upper().replace("-", "_").partition(".")
    return f"/{folder.upper()}/{stem}.{ending};1"
