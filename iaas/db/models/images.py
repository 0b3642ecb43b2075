"""The image service's tables: images, what describes them, who may see them, and blobs to be removed."""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db.models import base

images = base.table(
    base.IMAGE,
    "images",
    base.uuid(),
    base.text("name"),
    base.ident("status", nullable=False),
    base.ident("visibility", nullable=False),  # public private shared community
    base.ident("owner"),  # a project; NULL: made by an administrator without one
    base.ident("disk_format"),
    base.ident("container_format"),
    sa.Column("size", sa.BigInteger()),
    sa.Column("virtual_size", sa.BigInteger()),
    base.ident("checksum"),
    base.ident("os_hash_algo"),
    base.text("os_hash_value", 128),
    base.count("min_disk"),  # GiB
    base.count("min_ram"),  # MiB
    base.flag("protected"),
    base.flag("os_hidden"),
    base.text("location"),
    base.uuid("upload_id"),  # the upload that may finish; another process's word does not count
    base.time("upload_at"),  # its last sign of life, by the database's clock
    base.time("created_at", nullable=False),
    base.time("updated_at", nullable=False),
)
sa.Index("ix_images_created", images.c.created_at, images.c.id)
sa.Index("ix_images_owner", images.c.owner)
sa.Index("ix_images_status", images.c.status)

image_properties = base.table(
    base.IMAGE,
    "image_properties",
    base.uuid("image_id", sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    base.text("name", primary_key=True),
    sa.Column("value", sa.Text(), nullable=False),
)

image_tags = base.table(
    base.IMAGE,
    "image_tags",
    base.uuid("image_id", sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    base.text("value", primary_key=True),
)

image_members = base.table(
    base.IMAGE,
    "image_members",
    base.uuid("image_id", sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    base.ident("member_id", primary_key=True),
    base.ident("status", nullable=False),  # pending accepted rejected
    base.time("created_at", nullable=False),
    base.time("updated_at", nullable=False),
)
sa.Index("ix_image_members_member", image_members.c.member_id)

#: images whose bytes were given up: written in the transaction that does so, and kept for a while after they are
#: gone, for whatever an upload that wakes late leaves behind is proven by it
blob_gc = base.table(
    base.IMAGE,
    "blob_gc",
    base.uuid("image_id", primary_key=True),
    base.text("location", nullable=False),
    base.time("created_at", nullable=False),
    base.time("removed_at"),  # by the database's clock; NULL: the bytes are still to be removed
)
sa.Index("ix_blob_gc_removed", blob_gc.c.removed_at, blob_gc.c.created_at)

#: what a project stores; ``""`` is no project. Kept by conditional UPDATEs beside the rows they count
image_usages = base.table(
    base.IMAGE,
    "image_usages",
    base.ident("project_id", primary_key=True),
    base.count("images"),
    sa.Column("size", sa.BigInteger(), nullable=False, default=0),
    sa.CheckConstraint("images >= 0 AND size >= 0", name="usage"),
)
