#!/usr/bin/env python3
"""`make cloud`: the embedded cloud in the foreground, with a first server booted and logged in to.

    tools/make_cloud.py --state-dir cloud [--port-offset N] [--once]

What is there already is used again: the guest image, the cloud's folder, the key pair, the server.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
out = Console(highlight=False)
STEPS = 6
SERVER, KEY, IMAGE, FLAVOR = "first", "first", "tiny-guest", "m1.nano"


class Stop(Exception):
    """Something did not come true; the sentence says what and where to look."""


@contextlib.contextmanager
def step(number: int, words: str) -> Iterator[None]:
    """Show one step with a spinner, then with its time."""
    begun = time.monotonic()
    label = f"[dim]\\[{number}/{STEPS}][/dim] {words}"
    with out.status(label):
        yield
    out.print(f"[green]✓[/green] {label} [dim]{time.monotonic() - begun:.1f} s[/dim]")


def start_cloud(state_dir: Path, port_offset: int, options: list[str]) -> subprocess.Popen[str]:
    """Start iaas-all and wait for its line ``ready``."""
    words = [str(BIN / "iaas-all"), "--state-dir", str(state_dir), "--port-offset", str(port_offset), *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready"):
        process.wait(10)
        raise Stop(f"iaas-all did not start; its log is {state_dir}/iaas.log")
    return process


def connect(state_dir: Path) -> Any:
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(state_dir / "clouds.yaml")
    import openstack

    return openstack.connect(cloud="iaas")


def guest_image() -> Path:
    """Build the guest image once and return its file."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools/build_guest.py", ROOT / ".guest"], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise Stop(f"the guest image could not be built:\n{done.stderr.strip()}")
    return ROOT / ".guest" / "guest.qcow2"


def upload(cloud: Any, file: Path) -> Any:
    found = cloud.image.find_image(IMAGE)
    if found is not None:
        return found
    return cloud.create_image(
        IMAGE, filename=str(file), disk_format="qcow2", container_format="bare", wait=True, visibility="public"
    )


def key_pair(cloud: Any, state_dir: Path) -> Path:
    """Make a key pair once; its private key stays in the cloud's folder."""
    file = state_dir / "id_first"
    if not file.exists():
        if cloud.compute.find_keypair(KEY) is not None:
            cloud.compute.delete_keypair(KEY)
        made = cloud.compute.create_keypair(name=KEY)
        file.touch(mode=0o600)
        file.write_text(made.private_key)
    return file


def open_ssh(cloud: Any) -> None:
    """Let ssh and ping in, in the project's default security group."""
    project = cloud.current_project_id
    group = next(g for g in cloud.network.security_groups(project_id=project) if g.name == "default")
    there = {(rule["protocol"], rule["port_range_min"]) for rule in group.security_group_rules}
    for protocol, port in (("tcp", 22), ("icmp", None)):
        if (protocol, port) not in there:
            cloud.network.create_security_group_rule(
                security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol=protocol,
                port_range_min=port, port_range_max=port,
            )  # fmt: skip


def boot(cloud: Any, image: Any) -> Any:
    found = cloud.compute.find_server(SERVER)
    if found is not None:
        return cloud.compute.get_server(found.id)
    flavor = cloud.compute.find_flavor(FLAVOR)
    server = cloud.compute.create_server(
        name=SERVER, image_id=image.id, flavor_id=flavor.id, key_name=KEY, networks="auto"
    )
    return cloud.compute.wait_for_server(server, wait=120, interval=0.5)


def console(cloud: Any, server: Any) -> list[str]:
    text = cloud.compute.get_server_console_output(server.id)["output"]
    return [line for line in text.replace("\r", "").split("\n") if line.strip()]


def wait_for_guest(cloud: Any, server: Any, seconds: float = 180.0) -> list[str]:
    """Wait until the guest says that it is ready, and return its console log."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lines = console(cloud, server)
        if any("GUEST: ready" in line for line in lines):
            return lines
        time.sleep(0.5)
    raise Stop("the guest did not come up; its console ends with:\n" + "\n".join(console(cloud, server)[-15:]))


def ssh_words(state_dir: Path, key: Path, address: str) -> list[str]:
    conf = dict(line.split(" = ", 1) for line in (state_dir / "iaas.conf").read_text().splitlines() if " = " in line)
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ServerAliveInterval=5"]
    flags = [word for option in options for word in ("-o", option)]
    return ["ip", "netns", "exec", conf["namespace"], "ssh", "-i", str(key), *flags, f"root@{address}"]


def log_in(words: list[str], seconds: float = 60.0) -> str:
    """Run a command in the guest by ssh and return what it says."""
    deadline = time.monotonic() + seconds
    while True:
        done = subprocess.run([*words, "uname -a; uptime"], capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            return done.stdout.strip()
        if time.monotonic() > deadline:
            raise Stop(f"ssh did not answer: {done.stderr.strip()}\nit was tried as: {shlex.join(words)}")
        time.sleep(1)


def show(state_dir: Path, words: list[str] | None, server: Any) -> None:
    """Say what to type next."""
    activate = f". {os.path.relpath(BIN / 'activate')}; . {os.path.relpath(state_dir / 'openrc')}"
    out.print("\n[bold]Your cloud is up.[/bold] In another terminal:\n")
    out.print(f"  {activate}", soft_wrap=True)
    out.print("  openstack server list")
    out.print(f"  openstack console log show {server.name}")
    create = f"openstack server create --image {IMAGE} --flavor {FLAVOR} --key-name {KEY} --network shared second"
    out.print(f"  {create}", soft_wrap=True)
    if words:
        out.print(f"  {shlex.join(words)}", soft_wrap=True)
    out.print(f"\nEC2:  . {os.path.relpath(state_dir / 'ec2rc')}; aws ec2 describe-instances")
    out.print(
        f"Logs: {state_dir}/iaas.log      Stop: Ctrl-C (guests and data stay)      Remove it all: make cloud-destroy\n"
    )


def bring_up(args: argparse.Namespace, state_dir: Path) -> subprocess.Popen[str]:
    with step(1, "guest image (built once, from Debian packages)"):
        file = guest_image()
    with step(2, "starting the cloud in one process"):
        process = start_cloud(state_dir, args.port_offset, args.options)
    try:
        cloud = connect(state_dir)
        with step(3, "uploading the image, making a key pair"):
            image, key = upload(cloud, file), key_pair(cloud, state_dir)
            open_ssh(cloud)
        with step(4, "booting the first server"):
            server = boot(cloud, image)
        real = "driver = libvirt" in (state_dir / "iaas.conf").read_text()
        words = None
        if real:
            with step(5, "waiting for the guest (an emulated CPU takes its time)"):
                lines = wait_for_guest(cloud, server)
            for line in [line for line in lines if line.startswith("GUEST:")]:
                out.print(f"      [cyan]{line}[/cyan]", soft_wrap=True)
            address = next(a["addr"] for nets in server.addresses.values() for a in nets)
            words = ssh_words(state_dir, key, address)
            with step(6, f"logging in by ssh to {address}"):
                answer = log_in(words)
            out.print(f"      [cyan]{answer}[/cyan]", soft_wrap=True)
        else:
            out.print("[yellow]the fake hypervisor runs here: servers become ACTIVE, but none answers ssh[/yellow]")
        show(state_dir, words, server)
    except BaseException:
        process.terminate()
        process.wait(60)
        raise
    return process


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state-dir", type=Path, default=ROOT / "cloud", help="the cloud's folder (default: cloud)")
    parser.add_argument("--port-offset", type=int, default=0, help="add this number to every port")
    parser.add_argument("--once", action="store_true", help="stop the cloud when the first server has answered")
    parser.add_argument("options", nargs="*", help="more options for iaas-all, behind --")
    args = parser.parse_args()
    state_dir = args.state_dir.resolve()
    try:
        process = bring_up(args, state_dir)
    except Stop as error:
        out.print(f"[red]✗ {error}[/red]", soft_wrap=True)
        out.print(f"[dim]the cloud's log: {state_dir}/iaas.log[/dim]")
        return 1
    if args.once:
        process.terminate()
        return process.wait(60)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    with contextlib.suppress(KeyboardInterrupt):
        return process.wait()
    process.terminate()
    return process.wait(60)


if __name__ == "__main__":
    sys.exit(main())
