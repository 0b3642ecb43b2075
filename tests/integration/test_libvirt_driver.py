"""The libvirt driver on a real libvirtd of its own, with real guests in software emulation."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import socket
import tempfile
import uuid
from pathlib import Path

import pytest

from iaas.common import shell
from iaas.compute import agent, configdrive
from iaas.compute.driver import Guest, HypervisorError, Image, ImageRefused, Nic, Power
from iaas.compute.drivers.libvirt import selftest
from iaas.compute.drivers.libvirt.driver import LibvirtDriver
from iaas.compute.drivers.libvirt.settings import LibvirtSettings
from tests.contract.compute_driver import ComputeDriverContract, wait_for

pytestmark = pytest.mark.host
NEEDED = ("qemu-system-x86_64", "qemu-img", "libvirtd", "unshare", "ip")


def _missing() -> str | None:
    if os.geteuid() != 0:
        return "real guests are NOT tested: that needs root"
    absent = [program for program in NEEDED if shutil.which(program, path=shell.CLEAN_ENV["PATH"]) is None]
    if absent:
        return f"real guests are NOT tested: not installed: {', '.join(absent)}"
    try:
        import libvirt  # noqa: F401
    except ImportError:
        return "real guests are NOT tested: libvirt-python is not installed"
    return None


@pytest.fixture(scope="module")
def settings():
    why = _missing()
    if why:
        pytest.skip(why)
    home = Path(tempfile.mkdtemp(prefix="iaas-lv-"))  # readable by root only, as a home folder is
    netns = f"iaas-lv-{os.getpid()}"
    shell.run(["ip", "netns", "add", netns])
    shell.run(["ip", "-n", netns, "link", "set", "lo", "up"])
    yield LibvirtSettings(
        instances_dir=home / "instances",
        cache_dir=home / "cache",
        virt_type="qemu",
        hostname="test-host",
        private_dir=home / "libvirt",
        netns=netns,
    )
    shell.run(["ip", "netns", "del", netns])
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def driver(settings):
    made = LibvirtDriver(settings)
    try:
        made.start_host()
        yield made
    finally:
        for guest_id in made.guests():
            made.destroy(guest_id)
        made.stop_host()


@pytest.fixture(name="image", scope="module")
def raw_image():
    return image_of(selftest.disk_image())


def image_of(content: bytes, **fields: object) -> Image:
    """Return an image with these bytes, hashed as the image service does."""
    made = Image(
        id=str(uuid.uuid4()),
        disk_format="raw",
        size=len(content),
        hash_algo="sha512",
        hash_value=hashlib.sha512(content).hexdigest(),
        read=lambda: iter([content[:1000], content[1000:]]),
    )
    return dataclasses.replace(made, **fields)  # type: ignore[arg-type]


class TestLibvirtDriver(ComputeDriverContract):
    marker = selftest.MARKER

    def again(self, driver):
        other = LibvirtDriver(driver.settings)
        other.start_host()
        return other

    # -- beyond the contract -----------------------------------------------------------------------------

    def test_guests_outlive_the_libvirt_daemon_and_the_driver_opens_a_new_one(self, driver, running):
        first = driver._libvirtd.pid
        driver._libvirtd.stop()
        assert driver.power_of(running.id) is Power.RUNNING
        assert driver._libvirtd.pid not in (None, first)
        assert self.boots(driver, running) == 1

    def test_a_guest_whose_process_dies_has_crashed(self, driver, running):
        pid_file = driver.settings.private_dir / "run" / "qemu" / f"iaas-{running.id}.pid"
        shell.kill(int(pid_file.read_text()), 9)
        wait_for(lambda: driver.power_of(running.id) is not Power.RUNNING)
        assert driver.power_of(running.id) in (Power.CRASHED, Power.SHUTDOWN)
        driver.start(running)
        assert driver.power_of(running.id) is Power.RUNNING

    def test_a_paused_guest_is_started_by_going_on(self, driver, running):
        driver._connection.run("pause", lambda link: link.lookupByUUIDString(running.id).suspend())
        assert driver.power_of(running.id) is Power.PAUSED
        driver.start(running)
        assert driver.power_of(running.id) is Power.RUNNING
        assert self.boots(driver, running) == 1

    def test_a_guest_gets_the_tap_that_is_there(self, driver, settings, image, make):
        shell.run(["ip", "-n", settings.netns, "tuntap", "add", "dev", "tapt1", "mode", "tap"])
        port = str(uuid.uuid4())
        guest = make(nics=(Nic(port, "fa:16:3e:11:22:33", "tapt1", 1450),))
        driver.prepare(guest, image, None)
        driver.start(guest)
        pid = int((settings.private_dir / "run" / "qemu" / f"iaas-{guest.id}.pid").read_text())
        assert b'"host_mtu":1450' in Path(f"/proc/{pid}/cmdline").read_bytes()
        opened = [link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()]
        assert Path("/dev/net/tun") in opened
        driver.destroy(guest.id)
        assert b"tapt1" in shell.run(["ip", "-n", settings.netns, "link"]).out  # not libvirt's to remove

    def test_a_tap_that_is_not_there_refuses_the_start_and_leaves_nothing(self, driver, image, make):
        guest = make(nics=(Nic("p", "fa:16:3e:11:22:34", "tapnone"),))
        driver.prepare(guest, image, None)
        with pytest.raises(HypervisorError) as caught:
            driver.start(guest)
        assert "could not start the guest" in caught.value.message
        assert str(driver.settings.instances_dir) not in caught.value.message
        assert driver.power_of(guest.id) is None

    def test_the_guest_does_not_run_as_root_and_owns_only_what_it_writes(self, driver, settings, running):
        pid = int((settings.private_dir / "run" / "qemu" / f"iaas-{running.id}.pid").read_text())
        assert Path(f"/proc/{pid}").stat().st_uid != 0
        folder = settings.instances_dir / running.id
        assert folder.stat().st_uid == 0
        assert (folder / "disk").stat().st_uid != 0
        assert (folder / "base").resolve().stat().st_uid == 0

    def test_the_serial_socket_answers_and_the_log_goes_on(self, driver, running):
        address = driver.console(running.id, "serial")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address.path)
        driver.reboot(running, hard=True, timeout=0)
        self.wait_for_boots(driver, running, 2)

    def test_the_screen_speaks_rfb_on_a_socket_that_only_root_reaches(self, driver, running):
        address = driver.console(running.id, "vnc")
        with agent.connect(address) as client:
            assert client.recv(12, socket.MSG_WAITALL) == b"RFB 003.008\n"
        assert Path(address.path).parent.stat().st_mode & 0o077 == 0

    def test_a_qcow2_image_boots_from_an_overlay_of_the_flavor_size(self, driver, make, tmp_path):
        raw, qcow2 = tmp_path / "raw", tmp_path / "qcow2"
        raw.write_bytes(selftest.disk_image())
        shell.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2])
        image = image_of(qcow2.read_bytes(), disk_format="qcow2")
        guest = make(disk_gb=3, image_id=image.id, image_format="qcow2")
        driver.prepare(guest, image, None)
        driver.start(guest)
        self.wait_for_boots(driver, guest, 1)
        disk = driver.settings.instances_dir / guest.id / "disk"
        info = shell.run(["qemu-img", "info", "-U", "-f", "qcow2", "--output=json", disk]).out
        assert b'"virtual-size": 3221225472' in info
        assert b'"backing-filename-format": "qcow2"' in info

    def test_bytes_that_are_not_what_was_declared_are_refused_and_not_kept(self, driver, image, make):
        guest = make()
        wrong = dataclasses.replace(image, id=str(uuid.uuid4()), hash_value="0" * 128)
        with pytest.raises(ImageRefused):
            driver.prepare(guest, wrong, None)
        assert not list(driver.settings.cache_dir.glob("*.part"))
        assert not (driver.settings.instances_dir / guest.id).exists()

    def test_tidying_cuts_a_long_console_log(self, driver, running):
        log = driver.settings.instances_dir / running.id / "console.log"
        with log.open("ab") as file:
            file.write(b"x" * (driver.settings.max_log_kb * 1024))
        driver.tidy()
        assert log.stat().st_size <= driver.settings.max_log_kb * 512
        driver.reboot(running, hard=True, timeout=0)
        self.wait_for_boots(driver, running, 1)  # the first boot's words were cut away

    def test_guests_of_others_are_not_listed_and_not_touched(self, driver):
        words = "<domain type='qemu'><name>iaas-other</name><memory>65536</memory><os><type>hvm</type></os></domain>"
        other = driver._connection.run("define", lambda link: link.defineXML(words))
        try:
            assert other.UUIDString() not in driver.guests()
        finally:
            other.undefine()


@pytest.fixture
def real_image():
    path = Path(__file__).parents[2] / ".guest" / "guest.qcow2"
    if not path.exists():
        pytest.skip("a real operating system is NOT tested: tools/build_guest.py has not built it")
    return image_of(path.read_bytes(), disk_format="qcow2")


def test_a_real_guest_reads_its_config_drive_and_hears_its_power_button(driver, real_image):
    guest = Guest(str(uuid.uuid4()), "real", 1, 128, 1, real_image.id, "qcow2", config_drive=True)
    drive = configdrive.build({"uuid": guest.id, "name": "real", "hostname": "real"}, user_data=b"#!/bin/sh\necho hi\n")

    def says(words, times=1):
        wait_for(lambda: driver.console_log(guest.id, max_bytes=1 << 20).count(words) >= times, 90)

    try:
        driver.prepare(guest, real_image, drive)
        driver.start(guest)
        says(b"GUEST: configdrive")
        assert f"uuid={guest.id}".encode() in driver.console_log(guest.id, max_bytes=1 << 20)
        says(b"GUEST: rootdisk vda bytes=1073741824")
        says(b"GUEST: ready")
        driver.reboot(guest, hard=False, timeout=90)
        says(b"GUEST: ready", 2)
        assert b"GUEST: acpi-powerbutton" in driver.console_log(guest.id, max_bytes=1 << 20)
        driver.stop(guest.id, timeout=90)
        assert driver.power_of(guest.id) is Power.SHUTDOWN
    finally:
        driver.destroy(guest.id)


def test_an_id_that_is_a_path_is_refused(driver):
    with pytest.raises(HypervisorError):
        driver.destroy("../../etc")


def test_a_guest_that_is_unknown_can_be_asked_for(driver):
    assert driver.power_of(str(uuid.uuid4())) is None
    assert isinstance(driver.host_facts().cpu_info, str)


def test_no_libvirt_at_the_address_is_a_sentence(tmp_path):
    if _missing():
        pytest.skip(str(_missing()))
    lost = LibvirtDriver(
        LibvirtSettings(tmp_path, tmp_path, uri=f"qemu+unix:///system?socket={tmp_path}/none", virt_type="qemu")
    )
    with pytest.raises(HypervisorError, match="is libvirtd running"):
        lost.start_host()


def test_the_self_test_hears_an_emulated_guest_and_remembers_the_answer(tmp_path, monkeypatch):
    if _missing():
        pytest.skip(str(_missing()))
    assert selftest.speaks("qemu", 30)
    monkeypatch.setattr(selftest, "_decide", lambda seconds: "qemu")
    answer = tmp_path / "virt_type.json"
    assert selftest.virt_type(answer, kvm_seconds=1) == "qemu"
    monkeypatch.setattr(selftest, "_decide", lambda seconds: pytest.fail("it was remembered"))
    assert selftest.virt_type(answer, kvm_seconds=1) == "qemu"
    answer.write_text(answer.read_text().replace("boot", "other"))
    monkeypatch.setattr(selftest, "_decide", lambda seconds: "kvm")
    assert selftest.virt_type(answer, kvm_seconds=1) == "kvm"
