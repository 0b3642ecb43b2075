"""What every volume driver must do; a driver's tests inherit this and give the fixtures.

``driver``: started, on an empty back-end of at least 8 and fewer than 1000 GiB; ``again(driver)``: what a worker that
was restarted uses on the same back-end; ``read(driver, volume_id, offset, count)``: bytes of a volume, or None where
the back-end keeps none.
"""

from __future__ import annotations

import pytest

from iaas.common import errors, runtime
from iaas.common.units import GIB
from iaas.volume.driver import VolumeDriver, VolumeError

HOSTILE_IDS = [
    "", ".", "..", "../../etc/passwd", "/etc/passwd", "a" * 300, "x\0y", "0f8fad5bd9cb469fa165708677289501",
    "0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5b-d9cb-469f-a165-70867728950e\n",
    "0f8fad5b-d9cb-469f-a165-70867728950e/..",
]  # fmt: skip


class VolumeDriverContract:
    """The suite."""

    def again(self, driver: VolumeDriver) -> VolumeDriver:
        raise NotImplementedError

    def read(self, driver: VolumeDriver, volume_id: str, offset: int, count: int) -> bytes | None:
        raise NotImplementedError

    def test_a_volume_that_was_made_is_listed_with_its_size(self, driver):
        first, second = runtime.uuid(), runtime.uuid()
        driver.create(first, 1)
        driver.create(second, 3)
        assert driver.volumes() == {first: 1, second: 3}

    def test_a_new_volume_reads_as_zeroes_from_end_to_end(self, driver):
        volume_id = runtime.uuid()
        driver.create(volume_id, 2)
        for offset in (0, GIB - 1, 2 * GIB - 512):
            found = self.read(driver, volume_id, offset, 512)
            assert found in (None, bytes(512))

    def test_making_it_twice_is_fine(self, driver):
        volume_id = runtime.uuid()
        driver.create(volume_id, 2)
        driver.create(volume_id, 2)
        assert driver.volumes() == {volume_id: 2}

    def test_another_size_under_the_same_id_is_refused_and_the_volume_stays(self, driver):
        volume_id = runtime.uuid()
        driver.create(volume_id, 2)
        with pytest.raises(VolumeError, match="2 GiB exists"):
            driver.create(volume_id, 3)
        assert driver.volumes() == {volume_id: 2}

    def test_delete_removes_and_may_be_said_twice(self, driver):
        volume_id, other = runtime.uuid(), runtime.uuid()
        driver.create(volume_id, 1)
        driver.create(other, 1)
        driver.delete(volume_id)
        driver.delete(volume_id)
        assert driver.volumes() == {other: 1}

    def test_an_unknown_volume_may_be_deleted(self, driver):
        driver.delete(runtime.uuid())
        assert driver.volumes() == {}

    def test_what_was_promised_is_not_promised_again(self, driver):
        first = driver.pool_facts()
        driver.create(runtime.uuid(), 3)
        later = driver.pool_facts()
        assert later.total_gb == first.total_gb
        assert first.free_gb - later.free_gb == 3

    def test_more_than_there_is_room_for_is_refused_without_a_trace(self, driver):
        driver.create(runtime.uuid(), 1)
        before = driver.volumes()
        with pytest.raises(errors.NoSpace):
            driver.create(runtime.uuid(), driver.pool_facts().free_gb + 1)
        assert driver.volumes() == before

    def test_many_small_volumes_cannot_pass_the_limit_one_big_one_cannot(self, driver):
        half = driver.pool_facts().free_gb // 2 + 1
        driver.create(runtime.uuid(), half)
        with pytest.raises(errors.NoSpace):
            driver.create(runtime.uuid(), half)

    def test_the_room_of_a_deleted_volume_is_free_again(self, driver):
        volume_id, free = runtime.uuid(), driver.pool_facts().free_gb
        driver.create(volume_id, 2)
        driver.delete(volume_id)
        assert driver.pool_facts().free_gb == free

    def test_volumes_outlive_the_worker(self, driver):
        volume_id = runtime.uuid()
        driver.create(volume_id, 1)
        later = self.again(driver)
        assert later.volumes() == {volume_id: 1}
        later.create(volume_id, 1)
        later.delete(volume_id)
        assert later.volumes() == {}

    @pytest.mark.parametrize("volume_id", HOSTILE_IDS)
    def test_a_name_that_is_no_uuid_never_reaches_the_back_end(self, driver, volume_id):
        with pytest.raises(errors.Invalid):
            driver.create(volume_id, 1)
        with pytest.raises(errors.Invalid):
            driver.delete(volume_id)
        assert driver.volumes() == {}
