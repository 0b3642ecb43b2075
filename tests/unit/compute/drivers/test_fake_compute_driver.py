"""The fake hypervisor: the contract, and what tests and the simulator rely on beyond it."""

from __future__ import annotations

import dataclasses
import time
import uuid

import pytest

from iaas.compute.driver import DiskTooSmall, Guest, HypervisorError, Image, Nic, Power
from iaas.compute.drivers.fake import FakeDriver, FakeSettings
from iaas.compute.drivers.fake_world import ProcessKilled, World
from tests.contract.compute_driver import ComputeDriverContract


def image(**fields):
    def read():
        raise AssertionError("the fake hypervisor downloads nothing")

    return dataclasses.replace(Image("7c9d", "raw", 512, None, None, read), **fields)


def guest(**fields):
    return dataclasses.replace(Guest(str(uuid.uuid4()), "web-1", 1, 512, 1, "7c9d", "raw"), **fields)


@pytest.fixture(name="image")
def raw_image():
    return image()


class TestFakeDriver(ComputeDriverContract):
    marker = b"Linux version"

    @pytest.fixture
    def driver(self):
        fake = FakeDriver(FakeSettings(acpi=False))
        fake.start_host()
        return fake

    def again(self, driver):
        return FakeDriver(driver.settings, driver.world)


@pytest.fixture
def fake():
    return FakeDriver()


def booted(fake, **fields):
    made = guest(**fields)
    fake.prepare(made, image(), None)
    fake.start(made)
    return made


def test_a_guest_that_hears_its_button_stops_at_once(fake):
    made = booted(fake)
    began = time.monotonic()
    fake.stop(made.id, timeout=60)
    assert time.monotonic() - began < 5
    assert b"Power down" in fake.console_log(made.id, max_bytes=10_000)


def test_a_soft_reboot_is_a_second_boot(fake):
    made = booted(fake)
    fake.reboot(made, hard=False, timeout=60)
    assert fake.world.all[made.id].boots == 2


def test_the_console_tells_of_the_guest(fake):
    made = booted(fake, nics=(Nic("port", "fa:16:3e:00:00:01", "tap1"),), name="db-7")
    text = fake.console_log(made.id, max_bytes=10_000).decode()
    assert "fa:16:3e:00:00:01" in text
    assert "db-7 login:" in text
    assert len(text.splitlines()) >= 10


def test_a_config_drive_can_be_read_back(fake):
    made = guest(config_drive=True)
    fake.prepare(made, image(), b"iso bytes")
    assert fake.world.config_drive(made.id) == b"iso bytes"


def test_a_planned_failure_happens_once(fake):
    made = guest()
    fake.prepare(made, image(), None)
    fake.world.fail_next("start")
    with pytest.raises(HypervisorError):
        fake.start(made)
    fake.start(made)
    assert fake.power_of(made.id) is Power.RUNNING


def test_a_failure_in_the_middle_of_a_start_leaves_no_guest_but_its_disk(fake):
    made = guest()
    fake.prepare(made, image(), None)
    fake.world.fail_next("start", at="middle")
    with pytest.raises(HypervisorError):
        fake.start(made)
    assert fake.power_of(made.id) is None
    fake.start(made)


def test_a_daemon_killed_in_the_middle_of_a_start_leaves_a_defined_guest(fake):
    made = guest()
    fake.prepare(made, image(), None)
    fake.world.fail_next("start", ProcessKilled(), at="middle")
    with pytest.raises(ProcessKilled):
        fake.start(made)
    assert FakeDriver(world=fake.world).guests() == {made.id: Power.SHUTDOWN}


def test_a_lost_answer_leaves_the_work_done(fake):
    made = booted(fake)
    fake.world.fail_next("stop", at="after")
    with pytest.raises(HypervisorError):
        fake.stop(made.id, timeout=0)
    assert fake.power_of(made.id) is Power.SHUTDOWN


def test_a_destroy_that_fails_in_the_middle_leaves_files_that_a_second_one_removes(fake):
    made = booted(fake)
    fake.world.fail_next("destroy", at="middle")
    with pytest.raises(HypervisorError):
        fake.destroy(made.id)
    assert fake.power_of(made.id) is None
    assert made.id in fake.world.all
    fake.destroy(made.id)
    assert made.id not in fake.world.all


def test_a_reboot_that_fails_in_the_middle_leaves_the_guest_off(fake):
    made = booted(fake)
    fake.world.fail_next("reboot", at="middle")
    with pytest.raises(HypervisorError):
        fake.reboot(made, hard=True, timeout=0)
    assert fake.power_of(made.id) is Power.SHUTDOWN


def test_guests_end_by_themselves_crash_and_vanish(fake):
    one, two, three = booted(fake), booted(fake), booted(fake)
    fake.world.power_off_from_inside(one.id)
    fake.world.crash(two.id)
    fake.world.lose(three.id)
    assert fake.guests() == {one.id: Power.SHUTDOWN, two.id: Power.CRASHED}


def test_a_host_that_loses_power_keeps_its_guests_switched_off(fake):
    made = booted(fake)
    fake.world.reboot_host()
    assert fake.guests() == {made.id: Power.SHUTDOWN}


def test_guests_of_a_state_file_outlive_the_process(tmp_path):
    settings = FakeSettings(state_file=tmp_path / "guests.jsonl")
    first = FakeDriver(settings)
    kept, gone = booted(first), booted(first)
    with_drive = guest(config_drive=True, nics=(Nic("p", "fa:16:3e:00:00:02", "t"),))
    first.prepare(with_drive, image(), b"iso")
    first.start(with_drive)
    first.destroy(gone.id)
    second = FakeDriver(settings)
    assert second.world.all == first.world.all
    assert second.guests() == {kept.id: Power.RUNNING, with_drive.id: Power.RUNNING}
    assert second.world.config_drive(with_drive.id) == b"iso"


def test_a_line_cut_off_by_a_crash_is_dropped(tmp_path):
    path = tmp_path / "guests.jsonl"
    made = booted(FakeDriver(FakeSettings(state_file=path)))
    path.write_bytes(path.read_bytes() + b'{"id":"half')
    assert list(World(path).all) == [made.id]


def test_the_state_file_does_not_grow_without_end(tmp_path):
    path = tmp_path / "guests.jsonl"
    fake = FakeDriver(FakeSettings(state_file=path))
    for _ in range(1200):
        fake.destroy(booted(fake).id)
    assert len(path.read_bytes().splitlines()) < 2100


def test_a_qcow2_image_is_measured_by_its_min_disk(fake):
    with pytest.raises(DiskTooSmall, match=r"10\.0 GiB .* 1\.0 GiB"):
        fake.prepare(guest(), image(disk_format="qcow2", min_disk_gb=10), None)


def test_delays_are_taken(fake):
    slow = FakeDriver(FakeSettings(delays={"start": 0.05}), fake.world)
    made = guest()
    slow.prepare(made, image(), None)
    began = time.monotonic()
    slow.start(made)
    assert time.monotonic() - began >= 0.05


def test_three_thousand_guests_take_less_than_a_few_seconds(fake):
    began = time.monotonic()
    for _ in range(3000):
        booted(fake)
    assert len(fake.guests()) == 3000
    assert time.monotonic() - began < 5


def test_screens_have_ports_of_their_own(fake):
    ports = {fake.console(booted(fake).id, "vnc").port for _ in range(5)}
    assert len(ports) == 5
