"""`iaas-manage bootstrap`: the first contents of a cloud."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from iaas.cmd.manage import key
from iaas.cmd.manage.base import Command, Name, World, pass_world
from iaas.cmd.manage.secret import Source, password_options


@click.command(
    "bootstrap",
    cls=Command,
    example="bootstrap --password-prompt\nbootstrap --password-file /root/admin-password --network",
)
@password_options
@click.option("--username", type=Name(), default="admin", show_default=True, help="The administrator's name.")
@click.option("--project", type=Name(64), default="admin", show_default=True, help="The administrators' project.")
@click.option("--flavors/--no-flavors", default=True, show_default=True, help="Make the usual flavors.")
@click.option("--network/--no-network", default=False, help="Make a network that every project may use.")
@pass_world
def command(world: World, password: Source, username: str, project: str, flavors: bool, network: bool) -> None:
    """Make what every cloud needs before anybody can log in.

    That is the administrator, the roles, the services' own user (named by [identity] username and password), the
    catalog (built from [api] public_host and the ports), the keys of tokens and credentials where there are none,
    and the flavors. Running it again adds what is missing and sets the administrator's password.
    """
    from iaas.cmd import seed, setup
    from iaas.identity import bootstrap, keys

    settings, secret = world.settings, password.read(username)
    controller = world.db if flavors or network else None
    endpoints = setup.endpoints(settings)
    identity_db = world.identity_db
    for folder in (settings.identity.key_dir, settings.identity.credential_key_dir):
        key.check_owner(Path(folder))
        keys.create(folder)
    made = bootstrap.bootstrap(
        identity_db, settings, password=secret, endpoints=endpoints, username=username, project=project
    )
    if controller is not None and flavors:
        controller.write(world.ctx, seed.flavors, setup.FLAVORS)
    if controller is not None and network:
        owner = dataclasses.replace(world.ctx, project_id=made.project_id)
        controller.write(owner, seed.default_network, made.project_id)
    facts = {
        "user": username,
        "user_id": made.user_id,
        "project": project,
        "project_id": made.project_id,
        "roles": dict(made.role_ids),
        "service_user_id": made.service_user_id,
        "region": settings.identity.region,
        "endpoints": {kind: url for kind, (_, url) in endpoints.items()},
    }
    world.out.one(facts, {name: name.replace("_", " ") for name in facts if name not in ("roles", "endpoints")})
    lines = [{"type": kind, "url": url} for kind, (_, url) in endpoints.items()]
    world.out.table("Catalog", lines, {"type": "Type", "url": "URL"})
    if made.service_user_id is None:
        click.echo(
            "No user of the services was made: set [identity] password and run this again, or they cannot log in.",
            err=True,
        )
