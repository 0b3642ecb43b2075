"""`iaas-manage network`: networks for all projects; for anything more there is the Network API."""

from __future__ import annotations

import ipaddress
from typing import Any

import click

from iaas.cmd.manage import find
from iaas.cmd.manage.base import Name, Noun, World, pass_world
from iaas.cmd.manage.output import time
from iaas.common import errors

COLUMNS = {
    "id": "ID", "name": "Name", "project_id": "Project", "cidrs": "Subnets", "shared": "Shared",
    "external": "External", "is_default": "Default",
}  # fmt: skip


@click.group("network", cls=Noun)
def command() -> None:
    """See and make networks."""


def _shown(row: Any, subnets: list[Any]) -> dict[str, Any]:
    return {
        "id": row.id, "name": row.name, "project_id": row.project_id, "shared": row.shared, "external": row.external,
        "is_default": row.is_default, "admin_state_up": row.admin_state_up, "mtu": row.mtu, "type": row.type,
        "cidrs": [subnet.cidr for subnet in subnets],
        "subnets": [
            {"id": subnet.id, "name": subnet.name, "cidr": subnet.cidr, "gateway_ip": subnet.gateway_ip,
             "enable_dhcp": subnet.enable_dhcp}
            for subnet in subnets
        ],
        "created_at": time(row.created_at),
    }  # fmt: skip


@command.command("list", example="network list")
@pass_world
def index(world: World) -> None:
    """List the networks of all projects with their subnets."""
    from iaas.db import networks, subnets

    rows: list[Any] = []
    of_network: dict[str, list[Any]] = {}
    with world.db.read(world.ctx) as tx:
        while True:
            page = networks.page(tx, [], [("created_at", "asc")], find.PAGE, rows[-1].id if rows else None)
            rows += page
            for subnet in subnets.of_networks(tx, [row.id for row in page]) if page else ():
                of_network.setdefault(subnet.network_id, []).append(subnet)
            if len(page) < find.PAGE:
                break
    none = "There are no networks; to make one for everybody: iaas-manage network create"
    world.out.rows([_shown(row, of_network.get(row.id, [])) for row in rows], COLUMNS, none=none)


@command.command(example="network create lan --project admin --cidr 10.1.0.0/24 --shared --default")
@click.argument("name", type=Name())
@click.option("--project", required=True, help="The project it belongs to, by id or name.")
@click.option("--cidr", help="Make a subnet of these addresses, such as 10.1.0.0/24.")
@click.option("--gateway", help="The subnet's gateway (its first address by default), or none.")
@click.option("--dns", multiple=True, help="A name server told to guests; may be repeated.")
@click.option("--shared", is_flag=True, help="Every project may use it.")
@click.option("--external", is_flag=True, help="It leads out: floating IPs come from it.")
@click.option("--default", "is_default", is_flag=True, help="Servers that name no network get it; needs --shared.")
@click.option("--mtu", type=click.IntRange(68, 65_535), default=1500, show_default=True, help="Bytes of a packet.")
@click.option("--description", default="", help="What it is for.")
@pass_world
def create(
    world: World, name: str, project: str, cidr: str | None, gateway: str | None, dns: tuple[str, ...], **flags: Any
) -> None:
    """Make a network and, with --cidr, its subnet: both or neither."""
    from iaas.db import networks as rows
    from iaas.network.api import networks, subnets

    if flags["is_default"] and not flags["shared"]:
        raise click.UsageError("--default needs --shared: servers of every project get it.")
    if cidr is None and (gateway is not None or dns):
        raise click.UsageError("--gateway and --dns are of the subnet; give --cidr too.")
    wanted = _subnet(name, cidr, gateway, dns) if cidr is not None else None
    with world.identity_db.read(world.ctx) as tx:
        project_id = find.project(tx, project).id
    new, limits = networks.NewNetwork(name=name, project_id=project_id, **flags), world.settings.quota

    def write(tx: Any) -> dict[str, Any]:
        network_id = networks.add(tx, limits, [new])[0].row.id
        made = []
        if wanted is not None:
            made.append(subnets.add(tx, limits, subnets.NewSubnet(network_id=network_id, **wanted)))
        return _shown(rows.get(tx, network_id), made)

    facts = world.db.write(world.ctx, write)
    world.out.one(facts, {key: key.replace("_", " ") for key in facts if key != "subnets"})


def _subnet(name: str, cidr: str, gateway: str | None, dns: tuple[str, ...]) -> dict[str, Any]:
    try:
        version = ipaddress.ip_network(cidr).version
        for address in (*dns, *([gateway] if gateway not in (None, "none") else [])):
            ipaddress.ip_address(str(address))
    except ValueError as error:
        raise errors.Invalid(reason=f"These are not addresses of a subnet: {error}.") from None
    wanted: dict[str, Any] = {"cidr": cidr, "ip_version": version, "name": name, "dns": dns}
    if gateway is not None:
        wanted["gateway"] = None if gateway == "none" else gateway
    return wanted
