"""`iaas-manage key`: the rings of keys that tokens and credentials are encrypted with."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import click

from iaas.cmd.manage.base import Noun, World, pass_world
from iaas.cmd.manage.output import time
from iaas.common import errors


@click.group("key", cls=Noun)
def command() -> None:
    """Make and rotate the keys of tokens."""


@command.command(example="key create")
@pass_world
def create(world: World) -> None:
    """Make the keys of tokens and of credentials where there are none.

    Every identity host needs the same keys: make them on one and copy the folders to the others.
    """
    from iaas.identity import keys

    folders = [Path(world.settings.identity.key_dir), Path(world.settings.identity.credential_key_dir)]
    for folder in folders:
        check_owner(folder)
        keys.create(folder)
    shown = [str(folder) for folder in folders]
    world.out.said(f"There are keys in {' and '.join(shown)}.", folders=shown)


@command.command("list", example="key list")
@pass_world
def index(world: World) -> None:
    """List the keys of tokens: what each is for and since when; never the keys themselves."""
    world.out.rows(_ring(world), {"number": "Key", "role": "Role", "made_at": "Made"}, none="There are no keys.")


@command.command(example="key rotate")
@pass_world
def rotate(world: World) -> None:
    """Encrypt new tokens with the next key; tokens that are out stay good until they expire.

    The staged key becomes the primary one and a new one is staged. Copy the folder to every identity host before
    the next rotation. Rotate no more often than [identity] token_lifetime / (max_keys - 2).
    """
    from iaas.identity import keys

    folder = Path(world.settings.identity.key_dir)
    if not folder.is_dir():
        raise errors.NotFound(what="The folder of token keys", id=f"{folder} (to make it: iaas-manage key create)")
    check_owner(folder)
    keys.rotate(folder, world.settings.identity.max_keys)
    primary = next(key["number"] for key in _ring(world) if key["role"] == "primary")
    world.out.said(
        f"Key {primary} encrypts new tokens from now on; copy {folder} to the other identity hosts.",
        primary=primary, folder=str(folder),
    )  # fmt: skip


def check_owner(folder: Path) -> None:
    """Refuse to leave keys that the identity service, which runs as the folder's owner, cannot read.

    :raises Conflict: the folder belongs to somebody else.
    """
    if not folder.exists() or folder.stat().st_uid == os.geteuid():
        return
    owner = folder.stat().st_uid
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"#{owner}"
    raise errors.Conflict(
        reason=f"{folder} belongs to {name}, who could not read keys of yours; run this as {name}, with sudo -u {name}"
    )


def _ring(world: World) -> list[dict[str, object]]:
    folder = Path(world.settings.identity.key_dir)
    if not folder.is_dir():
        return []
    found = sorted((int(path.name), path.stat().st_mtime) for path in folder.iterdir() if path.name.isdigit())
    last = found[-1][0] if found else 0
    roles = {0: "staged", last: "primary"} if last else {0: "staged"}
    return [
        {"number": number, "role": roles.get(number, "secondary"), "made_at": time(modified)}
        for number, modified in found
    ]
