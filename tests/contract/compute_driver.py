"""What every compute driver promises, as tests: a driver's test class inherits this and says how to make one.

The guests here print a marker on their serial console at each boot and then hear nothing, not even the power
button, so every "ask" ends as a "force".
"""

from __future__ import annotations

import abc
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from iaas.common import runtime, units
from iaas.compute import driver as promised
from iaas.compute.driver import ComputeDriver, Guest, Image, Power


def wait_for(what: Callable[[], object], seconds: float = 30.0) -> None:
    """Return when ``what`` is true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not true after {seconds:g} s"
        time.sleep(0.02)


class CountedImage:
    """An image whose downloads are counted."""

    def __init__(self, image: Image) -> None:
        self.reads = 0
        self._read = image.read
        self.image = replace(image, read=self.read)

    def read(self) -> Iterator[bytes]:
        self.reads += 1
        return self._read()


class ComputeDriverContract(abc.ABC):
    """Inherit, and give the fixtures ``driver`` (started) and ``image`` (a bootable raw one)."""

    #: what the image writes to its serial console at each boot
    marker: bytes

    @abc.abstractmethod
    def again(self, driver: ComputeDriver) -> ComputeDriver:
        """Return a new, started driver for the same host, as after a restart of the daemon."""

    @pytest.fixture
    def make(self, driver: ComputeDriver, image: Image) -> Iterator[Callable[..., Guest]]:
        """Return a maker of guests that are not prepared yet; all are destroyed at the end."""
        made: list[str] = []

        def make(**fields: object) -> Guest:
            guest_id = str(uuid.uuid4())
            made.append(guest_id)
            guest = Guest(guest_id, "web-1", 1, 64, 1, image.id, image.disk_format)
            return replace(guest, **fields)  # type: ignore[arg-type]

        yield make
        for guest_id in made:
            driver.destroy(guest_id)

    @pytest.fixture
    def running(self, driver: ComputeDriver, image: Image, make: Callable[..., Guest]) -> Guest:
        """Return a guest that has said its marker once."""
        guest = make()
        driver.prepare(guest, image, None)
        driver.start(guest)
        self.wait_for_boots(driver, guest, 1)
        return guest

    def boots(self, driver: ComputeDriver, guest: Guest) -> int:
        return driver.console_log(guest.id, max_bytes=1 << 20).count(self.marker)

    def wait_for_boots(self, driver: ComputeDriver, guest: Guest, count: int) -> None:
        wait_for(lambda: self.boots(driver, guest) >= count)
        assert self.boots(driver, guest) == count

    # -- the host ----------------------------------------------------------------------------------------

    def test_host_facts_say_what_the_host_has(self, driver):
        facts = driver.host_facts()
        assert facts.vcpus >= 1
        assert facts.memory_mb >= 64
        assert facts.disk_gb >= 1
        assert facts.hypervisor_version >= 1_000_000
        assert facts.hypervisor_type in ("fake", "QEMU", "KVM")
        assert facts.hostname

    # -- prepare -----------------------------------------------------------------------------------------

    def test_a_prepared_guest_is_not_known_before_its_start(self, driver, image, make):
        guest = make()
        driver.prepare(guest, image, None)
        assert driver.power_of(guest.id) is None
        assert guest.id not in driver.guests()
        with pytest.raises(promised.GuestNotFound):
            driver.console_log(guest.id, max_bytes=100)

    def test_preparing_many_at_once_downloads_the_image_at_most_once(self, driver, image, make):
        counted = CountedImage(replace(image, id=str(uuid.uuid4())))
        tasks = [runtime.spawn(driver.prepare, make(), counted.image, None) for _ in range(4)]
        for task in tasks:
            task.wait()
        driver.prepare(make(), counted.image, None)
        assert counted.reads <= 1

    def test_an_image_larger_than_the_flavor_is_refused_and_leaves_nothing(self, driver, image, make):
        guest = make(disk_gb=1)
        with pytest.raises(promised.DiskTooSmall):
            driver.prepare(guest, replace(image, id=str(uuid.uuid4()), size=2 * units.GIB), None)
        with pytest.raises(promised.HypervisorError):
            driver.start(guest)
        assert driver.power_of(guest.id) is None

    def test_an_image_that_asks_for_more_disk_than_the_flavor_has_is_refused(self, driver, image, make):
        with pytest.raises(promised.DiskTooSmall):
            driver.prepare(make(disk_gb=1), replace(image, min_disk_gb=2), None)

    def test_a_format_that_is_not_supported_is_refused(self, driver, image, make):
        with pytest.raises(promised.ImageRefused):
            driver.prepare(make(), replace(image, id=str(uuid.uuid4()), disk_format="vmdk"), None)

    # -- start -------------------------------------------------------------------------------------------

    def test_a_started_guest_runs_and_is_listed(self, driver, running):
        assert driver.power_of(running.id) is Power.RUNNING
        assert driver.guests()[running.id] is Power.RUNNING

    def test_starting_a_running_guest_changes_nothing(self, driver, running):
        driver.start(running)
        assert driver.power_of(running.id) is Power.RUNNING
        assert self.boots(driver, running) == 1

    def test_preparing_a_running_guest_again_changes_nothing(self, driver, image, running):
        driver.prepare(running, image, None)
        assert driver.power_of(running.id) is Power.RUNNING
        assert self.boots(driver, running) == 1

    def test_a_guest_without_a_disk_does_not_start_and_is_not_left_behind(self, driver, make):
        guest = make()
        with pytest.raises(promised.HypervisorError) as caught:
            driver.start(guest)
        assert guest.id in caught.value.message
        assert driver.power_of(guest.id) is None
        assert guest.id not in driver.guests()

    def test_an_empty_disk_and_a_config_drive_are_enough(self, driver, make):
        guest = make(image_id=None, image_format=None, config_drive=True, disk_gb=1)
        driver.prepare(guest, None, b"\0" * 65536)
        driver.start(guest)
        assert driver.power_of(guest.id) is Power.RUNNING

    def test_a_config_drive_that_is_missing_is_an_error(self, driver, image, make):
        guest = make(config_drive=True)
        driver.prepare(guest, image, None)
        with pytest.raises(promised.HypervisorError):
            driver.start(guest)
        assert driver.power_of(guest.id) is None

    # -- stop --------------------------------------------------------------------------------------------

    def test_stop_forces_and_start_boots_again_into_the_same_log(self, driver, running):
        driver.stop(running.id, timeout=0)
        assert driver.power_of(running.id) is Power.SHUTDOWN
        assert driver.guests()[running.id] is Power.SHUTDOWN
        driver.stop(running.id, timeout=0)
        assert self.boots(driver, running) == 1
        driver.start(running)
        self.wait_for_boots(driver, running, 2)
        assert driver.power_of(running.id) is Power.RUNNING

    def test_a_guest_that_does_not_answer_is_forced_off_after_the_timeout(self, driver, running):
        began = time.monotonic()
        driver.stop(running.id, timeout=0.5)
        assert time.monotonic() - began >= 0.5
        assert driver.power_of(running.id) is Power.SHUTDOWN

    def test_stopping_an_unknown_guest_is_fine(self, driver):
        driver.stop(str(uuid.uuid4()), timeout=1)

    # -- reboot ------------------------------------------------------------------------------------------

    def test_a_hard_reboot_is_a_power_cycle(self, driver, running):
        driver.reboot(running, hard=True, timeout=60)
        self.wait_for_boots(driver, running, 2)
        assert driver.power_of(running.id) is Power.RUNNING

    def test_a_soft_reboot_without_an_answer_becomes_a_hard_one(self, driver, running):
        driver.reboot(running, hard=False, timeout=0.3)
        self.wait_for_boots(driver, running, 2)

    def test_rebooting_a_stopped_guest_starts_it(self, driver, running):
        driver.stop(running.id, timeout=0)
        driver.reboot(running, hard=False, timeout=5)
        assert driver.power_of(running.id) is Power.RUNNING

    def test_a_start_takes_the_definition_it_is_given(self, driver, running):
        driver.stop(running.id, timeout=0)
        driver.start(replace(running, vcpus=2, memory_mb=96, name="renamed <&> \u2603"))
        assert driver.power_of(running.id) is Power.RUNNING

    # -- destroy -----------------------------------------------------------------------------------------

    def test_destroy_leaves_nothing_and_may_be_repeated(self, driver, running):
        driver.destroy(running.id)
        assert driver.power_of(running.id) is None
        assert running.id not in driver.guests()
        with pytest.raises(promised.GuestNotFound):
            driver.console_log(running.id, max_bytes=100)
        with pytest.raises(promised.HypervisorError):
            driver.start(running)
        driver.destroy(running.id)

    def test_a_destroyed_guest_can_be_made_again_under_its_id(self, driver, image, running):
        driver.destroy(running.id)
        driver.prepare(running, image, None)
        driver.start(running)
        self.wait_for_boots(driver, running, 1)

    def test_destroy_removes_the_disk_of_a_guest_that_never_started(self, driver, image, make):
        guest = make()
        driver.prepare(guest, image, None)
        driver.destroy(guest.id)
        with pytest.raises(promised.HypervisorError):
            driver.start(guest)

    def test_a_host_says_whose_files_it_has_known_or_not(self, driver, image, running, make):
        only_files = make()
        driver.prepare(only_files, image, None)
        assert {running.id, only_files.id} <= driver.disks()
        assert only_files.id not in driver.guests()
        for guest in (running, only_files):
            driver.destroy(guest.id)
        assert not {running.id, only_files.id} & driver.disks()

    def test_a_guest_is_what_it_was_defined_as(self, driver, make, image):
        guest = make(vcpus=2, memory_mb=96, config_drive=True)
        driver.prepare(guest, image, b"an ISO image")
        assert guest.id not in driver.definitions(), "it has files, but the hypervisor does not know it"
        driver.start(guest)
        wanted = promised.definition_of(guest, ())
        assert driver.definitions()[guest.id] == wanted
        smaller = replace(guest, vcpus=1, config_drive=False)
        assert promised.definition_of(smaller, ()) != wanted
        driver.reboot(smaller, hard=True, timeout=0)
        assert driver.definitions()[guest.id].vcpus == 1
        driver.stop(guest.id, timeout=0)
        assert driver.definitions()[guest.id].vcpus == 1
        driver.destroy(guest.id)
        assert guest.id not in driver.definitions()

    # -- consoles ----------------------------------------------------------------------------------------

    def test_the_console_log_is_cut_from_its_end(self, driver, running):
        whole = driver.console_log(running.id, max_bytes=1 << 20)
        assert driver.console_log(running.id, max_bytes=5) == whole[-5:]
        assert driver.console_log(running.id, max_bytes=0) == b""

    def test_the_consoles_of_a_running_guest_have_addresses_of_their_own(self, driver, running):
        vnc, serial = driver.console(running.id, "vnc"), driver.console(running.id, "serial")
        assert (vnc.kind, serial.kind) == ("vnc", "serial")
        for address in (vnc, serial):
            if address.path is not None:
                assert running.id in address.path
            else:
                assert address.host == "127.0.0.1"
                assert address.port is not None
                assert address.port >= 5900
        assert (vnc.path, vnc.port) != (serial.path, serial.port)

    def test_a_stopped_or_unknown_guest_has_no_console(self, driver, running):
        driver.stop(running.id, timeout=0)
        for guest_id in (running.id, str(uuid.uuid4())):
            with pytest.raises(promised.GuestNotFound):
                driver.console(guest_id, "vnc")

    # -- the daemon restarts -----------------------------------------------------------------------------

    def test_guests_keep_running_without_the_driver(self, driver, running):
        other = self.again(driver)
        assert other.guests()[running.id] is Power.RUNNING
        assert self.boots(other, running) == 1
        other.stop(running.id, timeout=0)
        assert driver.power_of(running.id) is Power.SHUTDOWN
