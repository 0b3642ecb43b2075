"""The embedded cloud: everything it owns is one folder, made and filled when it is empty.

    DIR/iaas.conf      the configuration of this cloud, with its secrets (0600)
    DIR/openrc, DIR/clouds.yaml, DIR/ec2rc    how to be its administrator
    DIR/*.sqlite, DIR/images, DIR/compute, DIR/network, DIR/volumes, DIR/*-keys

Runs in a process of its own (``python -m iaas.cmd.embedded``), so that what only first starts need (alembic,
password hashing) is not in the memory of the cloud.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from iaas.common import conf, context, errors, log, runtime
from iaas.db import migrate

PORTS = {
    "identity.port": 5000, "image.port": 9292, "api.compute_port": 8774, "api.ec2_port": 8773,
    "api.metadata_port": 8775, "api.volume_port": 8776, "api.network_port": 9696, "compute.agent_port": 8779,
    "console.port": 6080,
}  # fmt: skip
FLAVORS = (
    ("m1.nano", 1, 128, 1), ("m1.micro", 1, 192, 1), ("m1.tiny", 1, 512, 1), ("m1.small", 1, 2048, 20),
    ("m1.medium", 2, 4096, 40), ("m1.large", 4, 8192, 80), ("m1.xlarge", 8, 16384, 160),
)  # fmt: skip
REGION = "RegionOne"


def prepare(state_dir: Path, port_offset: int, driver: str) -> Path:
    """Make or complete the cloud in ``state_dir`` and return its configuration file."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = state_dir / "iaas.conf"
    secrets = _secrets(state_dir)
    text = _configuration(state_dir, port_offset, driver, secrets)
    if not file.exists() or file.read_text() != text:
        _write(file, text)
    settings = conf.load([file])
    for name, url in _databases(settings).items():
        migrate.sync(name, url)
    _bootstrap(settings, secrets, state_dir)
    return file


def is_current(state_dir: Path, port_offset: int, driver: str) -> bool:
    """Whether the cloud in ``state_dir`` was prepared by this release for these ports and this driver."""
    mark = state_dir / ".prepared"
    return mark.exists() and mark.read_text() == fingerprint(port_offset, driver)


def fingerprint(port_offset: int, driver: str) -> str:
    heads = [migrate.head(name) for name in migrate.DATABASES]
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return f"{port_offset} {driver} {heads} {source}\n"


def _databases(settings: Any) -> dict[str, str]:
    d = settings.database
    return {"controller": d.url, "identity": d.identity_url, "image": d.image_url}


def _secrets(state_dir: Path) -> dict[str, str]:
    """The passwords of this cloud: made once, kept in ``DIR/secrets``."""
    file = state_dir / "secrets"
    kept = dict(line.split("=", 1) for line in file.read_text().splitlines()) if file.exists() else {}
    for name in ("admin", "service", "metadata", "agent"):
        kept.setdefault(name, runtime.secret_bytes(18).hex())
    _write(file, "".join(f"{name}={value}\n" for name, value in kept.items()))
    return kept


def _configuration(state_dir: Path, port_offset: int, driver: str, secrets: dict[str, str]) -> str:
    ports = {name: port + port_offset for name, port in PORTS.items()}
    here = "http://127.0.0.1:{}"
    tag = hashlib.sha256(str(state_dir).encode()).hexdigest()[:6]
    libvirt = driver == "libvirt"
    values: dict[str, Any] = {
        **ports,
        "database.url": f"sqlite:///{state_dir}/controller.sqlite",
        "database.identity_url": f"sqlite:///{state_dir}/identity.sqlite",
        "database.image_url": f"sqlite:///{state_dir}/image.sqlite",
        "identity.url": here.format(ports["identity.port"]),
        "identity.password": secrets["service"],
        "identity.key_dir": state_dir / "token-keys",
        "identity.credential_key_dir": state_dir / "credential-keys",
        "image.url": here.format(ports["image.port"]),
        "image.store_dir": state_dir / "images",
        "compute.state_dir": state_dir / "compute",
        "compute.host": "embedded",
        "compute.driver": driver,
        "compute.agent_secret": secrets["agent"],
        "compute.reserved_memory_mb": 0,
        "compute.libvirt_private_dir": state_dir / "libvirt" if libvirt else "",
        "compute.libvirt_namespace": f"iaas-{tag}" if libvirt else "",
        "network.driver": "flat" if libvirt else "fake",
        "network.state_dir": state_dir / "network",
        "network.namespace": f"iaas-{tag}",
        "network.metadata_url": here.format(ports["api.metadata_port"]),
        "network.metadata_secret": secrets["metadata"],
        "volume.state_dir": state_dir / "volumes",
        "console.url": "ws://127.0.0.1:{}".format(ports["console.port"]),
    }
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        group, option = name.split(".")
        groups.setdefault(group, []).append(f"{option} = {value}\n")
    head = "# Written by iaas-all; change options with --set group.option=value.\n"
    return head + "".join(f"\n[{group}]\n" + "".join(sorted(lines)) for group, lines in sorted(groups.items()))


def endpoints(settings: Any) -> dict[str, tuple[str, str]]:
    """Return the catalog of this cloud: service type → (name, URL)."""
    host, a = settings.api.public_host, settings.api
    base = f"http://{host}:"
    return {
        "identity": ("keystone", f"{base}{settings.identity.port}/v3"),
        "image": ("glance", f"{base}{settings.image.port}"),
        "compute": ("nova", f"{base}{a.compute_port}/v2.1"),
        "network": ("neutron", f"{base}{a.network_port}"),
        "volumev3": ("cinderv3", f"{base}{a.volume_port}/v3/$(project_id)s"),
        "block-storage": ("cinder", f"{base}{a.volume_port}/v3/$(project_id)s"),
        "ec2": ("ec2", f"{base}{a.ec2_port}"),
    }


def _bootstrap(settings: Any, secrets: dict[str, str], state_dir: Path) -> None:
    from iaas.cmd import seed
    from iaas.db.tx import Database
    from iaas.identity import clients as identity_clients
    from iaas.identity import keys
    from iaas.identity.bootstrap import bootstrap

    identity_db = Database(settings.database.identity_url)
    keys.create(settings.identity.key_dir)
    keys.create(settings.identity.credential_key_dir)
    vault = identity_clients.make(settings, identity_db).vault
    made = bootstrap(
        identity_db,
        settings,
        password=secrets["admin"],
        service_password=secrets["service"],
        endpoints=endpoints(settings),
    )
    ctx = context.RequestContext("req-bootstrap", project_id=made.project_id, roles=("admin",), is_admin=True)
    access, secret = identity_db.write(ctx, seed.ec2_credential, vault, made.user_id, made.project_id)
    database = Database(settings.database.url)
    database.write(ctx, seed.flavors, FLAVORS)
    database.write(ctx, seed.default_network, made.project_id)
    database.write(ctx, seed.unlimited, made.project_id)
    _write_rc(settings, secrets, state_dir, access, secret)


def _write_rc(settings: Any, secrets: dict[str, str], state_dir: Path, access: str, secret: str) -> None:
    url = f"http://{settings.api.public_host}:{settings.identity.port}/v3"
    ec2 = f"http://{settings.api.public_host}:{settings.api.ec2_port}"
    account = {
        "OS_AUTH_URL": url, "OS_USERNAME": "admin", "OS_PASSWORD": secrets["admin"], "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": REGION,
        "OS_IDENTITY_API_VERSION": "3", "OS_INTERFACE": "public",
    }  # fmt: skip
    _write(state_dir / "openrc", "".join(f"export {name}={value}\n" for name, value in account.items()))
    _write(
        state_dir / "clouds.yaml",
        "clouds:\n  iaas:\n    auth:\n"
        f"      auth_url: {url}\n      username: admin\n      password: {secrets['admin']}\n"
        "      project_name: admin\n      user_domain_name: Default\n      project_domain_name: Default\n"
        f"    region_name: {REGION}\n    interface: public\n    identity_api_version: 3\n",
    )
    account = {
        "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_EC2": ec2, "EC2_URL": ec2,
    }  # fmt: skip
    _write(state_dir / "ec2rc", "".join(f"export {name}={value}\n" for name, value in account.items()))


def _write(file: Path, text: str) -> None:
    """Replace a private file as a whole."""
    temporary = file.with_name(file.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    temporary.replace(file)


def main() -> None:
    os.umask(0o077)
    parser = argparse.ArgumentParser(description="prepare the embedded cloud of a folder")
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("port_offset", type=int)
    parser.add_argument("driver")
    args = parser.parse_args()
    log.setup("warning")
    try:
        prepare(args.state_dir, args.port_offset, args.driver)
    except errors.IaasError as error:
        sys.exit(f"iaas-all: {error}")
    _write(args.state_dir / ".prepared", fingerprint(args.port_offset, args.driver))


if __name__ == "__main__":
    main()
