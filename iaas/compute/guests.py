"""From an instance's row to what a driver is told."""

from __future__ import annotations

from typing import Any

from iaas.common import names
from iaas.compute.driver import Guest, Image, Nic
from iaas.db import codec


def guest_of(row: Any) -> Guest:
    """Return the guest an instance's row describes."""
    image = codec.load(row.image, {})
    return Guest(
        id=row.id,
        name=row.hostname,
        vcpus=row.vcpus,
        memory_mb=row.memory_mb,
        disk_gb=row.disk_gb,
        image_id=row.image_id,
        image_format=image.get("disk_format"),
        nics=tuple(
            Nic(port_id=nic["port_id"], mac=nic["mac"], tap=names.tap(nic["port_id"]), mtu=nic["mtu"])
            for nic in codec.load(row.network_info, [])
        ),
        config_drive=row.config_drive,
        metadata={"project": row.project_id, "name": row.name},
    )


def image_of(row: Any, image_client: Any) -> Image | None:
    """Return the image of an instance as it was when the request was accepted, with a way to read it."""
    if row.image_id is None:
        return None
    facts = codec.load(row.image, {})
    image_id = row.image_id
    return Image(
        id=image_id,
        disk_format=facts["disk_format"],
        size=facts["size"],
        hash_algo=facts.get("hash_algo"),
        hash_value=facts.get("hash_value"),
        read=lambda: image_client.read(image_id),
        min_disk_gb=facts.get("min_disk", 0),
    )
