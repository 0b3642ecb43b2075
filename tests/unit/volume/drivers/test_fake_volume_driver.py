"""The fake back-end keeps the contract of volume drivers, and its world the promises tests rely on."""

from __future__ import annotations

import pytest

from iaas.common import runtime
from iaas.volume.driver import VolumeError
from iaas.volume.drivers.fake import FakeDriver, World
from tests.contract.volume_driver import VolumeDriverContract


class TestFakeDriver(VolumeDriverContract):
    @pytest.fixture
    def driver(self):
        return FakeDriver(World(total_gb=20))

    def again(self, driver):
        return FakeDriver(driver.world)

    def read(self, driver, volume_id, offset, count):
        return None


def test_a_world_with_a_file_outlives_the_process(tmp_path):
    path = tmp_path / "volumes.json"
    volume_id, gone = runtime.uuid(), runtime.uuid()
    driver = FakeDriver(World(path=path))
    driver.create(volume_id, 4)
    driver.create(gone, 1)
    driver.delete(gone)
    assert FakeDriver(World(path=path)).volumes() == {volume_id: 4}


def test_a_planned_fault_comes_as_often_as_planned_and_before_the_work():
    driver = FakeDriver()
    driver.world.fail_next("create", times=2)
    for _ in range(2):
        with pytest.raises(VolumeError, match="told to fail create"):
            driver.create(runtime.uuid(), 1)
    assert driver.volumes() == {}
    driver.create(runtime.uuid(), 1)
    assert driver.world.calls["create"] == 3


def test_a_fault_after_the_work_leaves_the_work_done():
    driver, volume_id = FakeDriver(), runtime.uuid()
    driver.world.fail_next("create", at="after")
    with pytest.raises(VolumeError):
        driver.create(volume_id, 1)
    assert driver.volumes() == {volume_id: 1}
