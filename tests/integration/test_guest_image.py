"""The guest image on a real (emulated) machine: what it says on its console, and that one can log in.

Everything is found out by booting QEMU with TCG; the metadata service is a program that QEMU's user-mode
network runs for each connection to 169.254.169.254, so neither root nor a network of the host is involved.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pycdlib
import pytest

ROOT = Path(__file__).parents[2]
# Generous: the machine may be busy, and emulation takes what it gets.
DEADLINE_S = 120
QEMU = "qemu-system-x86_64"

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed"),
]


class Guest:
    """A running QEMU, its console, and its monitor."""

    def __init__(self, process: subprocess.Popen[bytes], monitor: Path) -> None:
        self.process = process
        self.said = ""
        self._monitor = monitor

    def wait_for(self, fact: str) -> str:
        """The rest of the line after `GUEST: <fact>`; fails with the console's text when it does not come."""
        pattern = re.compile(rf"GUEST: {fact}([^\r\n]*)[\r\n]")
        deadline = time.monotonic() + DEADLINE_S
        while not (found := pattern.search(self.said)):
            left = deadline - time.monotonic()
            assert left > 0, f"no {fact!r} in {DEADLINE_S} s:\n{self.said}"
            assert self._read(left), f"QEMU ended without {fact!r}:\n{self.said}"
        return found[1].strip()

    def _read(self, timeout: float) -> bool:
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
        self.said += data.decode(errors="replace")
        return bool(data)

    def monitor(self, command: str) -> None:
        """Give QEMU one command of its human monitor."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(DEADLINE_S)
            line.connect(str(self._monitor))
            answers = line.makefile("rb")
            line.sendall(command.encode() + b"\ninfo status\n")
            while b"VM status" not in answers.readline():
                pass


@contextlib.contextmanager
def booted(tmp_path: Path, *options: str) -> Iterator[Guest]:
    """A guest of 96 MB with these options; gone when the block ends."""
    monitor = tmp_path / "monitor"
    machine = ["-machine", "pc,accel=tcg", "-m", "96", "-display", "none", "-no-reboot", "-nodefaults"]
    talk = ["-serial", "stdio", "-monitor", f"unix:{monitor},server=on,wait=off"]
    argv = [QEMU, *machine, *talk, *options]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield Guest(process, monitor)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def image() -> Path:
    """The folder with the guest, built on first use."""
    out = ROOT / ".guest"
    argv = [sys.executable, str(ROOT / "tools/build_guest.py"), str(out)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(done.stderr)
    return out


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@here", "-f", str(path)], check=True)
    return path


def disk_of(image: Path) -> list[str]:
    return ["-drive", f"file={image}/guest.qcow2,if=virtio,format=qcow2,snapshot=on"]


def direct(image: Path) -> list[str]:
    manifest = json.loads((image / "guest.manifest").read_text())
    return [
        *("-kernel", str(image / "guest-vmlinuz"), "-initrd", str(image / "guest-initrd")),
        *("-append", manifest["cmdline"]),
    ]


def config_drive(path: Path, files: dict[str, bytes]) -> Path:
    """An ISO 9660 image labelled config-2 with these files under /openstack/latest."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, vol_ident="config-2", joliet=3, rock_ridge="1.09")
    for folder in ("openstack", "openstack/latest"):
        name = folder.rsplit("/")[-1]
        iso.add_directory(f"/{folder.upper()}", rr_name=name, joliet_path=f"/{folder}")
    for number, (name, data) in enumerate(files.items()):
        where = f"/OPENSTACK/LATEST/F{number}.;1"
        iso.add_fp(io.BytesIO(data), len(data), where, rr_name=name, joliet_path=f"/openstack/latest/{name}")
    iso.write(str(path))
    iso.close()
    return path


RESPONDER = """
import pathlib, sys
request = sys.stdin.buffer.readline().split()
while sys.stdin.buffer.readline().strip():
    pass
page = pathlib.Path(sys.argv[1], request[1].decode().strip("/").replace("/", "_"))
body = page.read_bytes() if page.is_file() else b""
status = b"200 OK" if page.is_file() else b"404 Not Found"
sys.stdout.buffer.write(b"HTTP/1.0 %s\\r\\nContent-Length: %d\\r\\n\\r\\n" % (status, len(body)) + body)
sys.stdout.buffer.flush()
"""


def metadata_service(tmp_path: Path, pages: dict[str, str], ssh_port: int) -> list[str]:
    """Options for a network card with DHCP, the metadata service, and ssh reachable on loopback."""
    folder, program = tmp_path / "pages", tmp_path / "responder.py"
    folder.mkdir()
    program.write_text(RESPONDER)
    for page, text in pages.items():
        (folder / page.replace("/", "_")).write_text(text)
    command = f"{sys.executable} {program} {folder}"
    network = "user,id=net,net=169.254.0.0/16,dhcpstart=169.254.0.15"
    forwards = f"hostfwd=tcp:127.0.0.1:{ssh_port}-:22,guestfwd=tcp:169.254.169.254:80-cmd:{command}"
    return ["-netdev", f"{network},{forwards}", "-device", "virtio-net-pci,netdev=net"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ssh(key: Path, port: int, command: str) -> str:
    lax = [f"-o{option}" for option in ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes")]
    argv = ["ssh", "-F", "none", "-q", *lax, "-i", str(key), "-p", str(port), "root@127.0.0.1", command]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_boots_from_its_own_disk_without_any_network(image: Path, tmp_path: Path) -> None:
    with booted(tmp_path, *disk_of(image)) as guest:
        assert "flavour=normal" in guest.wait_for("boot ")
        assert guest.wait_for("rootdisk ") == "vda bytes=67108864"
        assert guest.wait_for("data mounted ") == "boots=1"
        assert guest.wait_for("keys ") == "0"
        assert guest.wait_for("ready ").startswith("hostname=guest ")


def test_a_network_that_never_answers_does_not_keep_it_from_being_ready(image: Path, tmp_path: Path) -> None:
    dead = ["-netdev", "hubport,id=net,hubid=0", "-device", "virtio-net-pci,netdev=net"]
    with booted(tmp_path, *direct(image), *dead) as guest:
        assert guest.wait_for("dhcp-failed ") == "eth0"
        guest.wait_for("metadata-noroute")
        uptime = guest.wait_for("ready ").partition("uptime=")[2]
        assert 5 < float(uptime) < DEADLINE_S / 2


def test_takes_key_name_password_and_user_data_from_a_config_drive(image: Path, tmp_path: Path, key: Path) -> None:
    public = key.with_suffix(".pub").read_text()
    document = {
        "uuid": "5e1f",
        "name": 'a "quoted" name',
        "hostname": "drive.example",
        "admin_pass": "s\\ecret",
        "public_keys": {"mine": public},
        "keys": [{"name": "mine", "type": "ssh", "data": public}],
    }
    files = {
        "meta_data.json": json.dumps(document).encode(),
        "user_data": b"#!/bin/sh\necho user-$((40 + 2))\nexit 7\n",
    }
    drive = config_drive(tmp_path / "config.iso", files)
    cdrom = ["-drive", f"file={drive},if=ide,media=cdrom,format=raw,readonly=on"]
    with booted(tmp_path, *direct(image), *cdrom) as guest:
        assert guest.wait_for("configdrive ") == "/dev/sr0 uuid=5e1f files=2"
        guest.wait_for("password set")
        assert guest.wait_for("keys ") == "1"
        assert guest.wait_for("user-data bytes=") == str(len(files["user_data"]))
        assert guest.wait_for("ready ").startswith("hostname=drive ")
        assert guest.wait_for("user-data exit=") == "7"
        assert "user-42" in guest.said


def test_asks_the_metadata_service_lets_the_key_in_sees_a_new_disk_and_powers_off(
    image: Path, tmp_path: Path, key: Path
) -> None:
    tree = "latest/meta-data"
    pages = {
        f"{tree}/instance-id": "i-0000002a",
        f"{tree}/local-ipv4": "169.254.0.15",
        f"{tree}/local-hostname": "web-1.novalocal",
        f"{tree}/public-keys/0/openssh-key": key.with_suffix(".pub").read_text(),
        "openstack/latest/meta_data.json": json.dumps({"uuid": "u-2a", "name": "web 1", "hostname": "web-1.novalocal"}),
    }
    port = free_port()
    extra = tmp_path / "extra.raw"
    with extra.open("wb") as file:
        file.truncate(8 * 1024 * 1024)
    with booted(tmp_path, *disk_of(image), *metadata_service(tmp_path, pages, port)) as guest:
        assert guest.wait_for("dhcp ").startswith("eth0 ip=169.254.0.15/16 ")
        assert guest.wait_for("ec2 ") == "instance-id=i-0000002a local-ipv4=169.254.0.15 hostname=web-1.novalocal"
        assert guest.wait_for("openstack ") == "uuid=u-2a name=web 1"
        assert guest.wait_for("keys ") == "1"
        guest.wait_for("ssh listening")
        assert guest.wait_for("ready ").startswith("hostname=web-1 ")
        assert ssh(key, port, "id -un; hostname; ls /etc/dropbear/").split()[:2] == ["root", "web-1"]

        lease = "interface=eth0 ip=169.254.0.15 mask=16 router=169.254.9.9 mtu=1400"
        routes = "staticroutes='10.9.0.0/16 169.254.2.2 10.8.0.0/16 0.0.0.0'"  # as udhcpc gives option 121
        seen = ssh(key, port, f"{lease} {routes} guest-net renew; ip link show eth0; ip route")
        assert "mtu 1400" in seen
        assert "10.9.0.0/16 via 169.254.2.2 dev eth0" in seen
        assert "10.8.0.0/16 dev eth0" in seen
        assert "169.254.9.9" not in seen

        guest.monitor(f"drive_add 0 file={extra},format=raw,if=none,id=more")
        guest.monitor("device_add virtio-blk-pci,drive=more,serial=VOL-7,id=more")
        assert guest.wait_for("disk-added ") == "vdb bytes=8388608 serial=VOL-7"
        assert "disk-formatted vdb" in ssh(key, port, "guest-disk format vdb")
        assert "disk-wrote vdb hello" in ssh(key, port, "guest-disk write vdb hello")
        assert "disk-read vdb hello" in ssh(key, port, "guest-disk read vdb")
        guest.monitor("device_del more")
        assert guest.wait_for("disk-removed ") == "vdb"

        guest.monitor("system_powerdown")
        guest.wait_for("acpi-powerbutton")
        guest.wait_for("poweroff")
        assert guest.process.wait(timeout=DEADLINE_S) == 0


def test_a_metadata_service_that_comes_late_is_still_listened_to(image: Path, tmp_path: Path, key: Path) -> None:
    port = free_port()
    with booted(tmp_path, *direct(image), *metadata_service(tmp_path, {}, port)) as guest:
        guest.wait_for("metadata-failed")
        assert guest.wait_for("ready ").startswith("hostname=guest ")
        pages = tmp_path / "pages"
        (pages / "latest_meta-data_public-keys_0_openssh-key").write_text(key.with_suffix(".pub").read_text())
        (pages / "latest_meta-data_local-hostname").write_text("late.novalocal")
        (pages / "latest_meta-data_instance-id").write_text("i-1")  # last: with it the service is there
        assert guest.wait_for("ec2 ").startswith("instance-id=i-1 ")
        assert guest.wait_for("keys 1") == ""
        assert ssh(key, port, "hostname") == "late\n"
