"""What a compute host finds of servers that are not there, or not there any more."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa

from iaas.common import context, runtime
from iaas.compute import periodic
from iaas.compute.driver import Guest
from iaas.compute.drivers.fake import FakeDriver
from iaas.db.models.instances import instances

pytest_plugins = ["tests.fixtures.cloud"]


def prepare(cloud, server_id):
    """Make a server's files, as a worker does that stood still in the middle of its step and goes on."""
    driver = FakeDriver(cloud.host, cloud.world)
    driver.prepare(Guest(server_id, "late", 1, 64, 1, None, None), None, None)


def sweep(cloud):
    periodic.sweep_orphans(cloud.workers["compute"].manager)


def files(cloud):
    return FakeDriver(cloud.host, cloud.world).disks()


@pytest.fixture
def failed(cloud):
    """A server that could not be built on the only host."""
    cloud.start()
    cloud.world.fail_next("start")
    server_id = cloud.boot()
    cloud.until_status(server_id, "ERROR")
    assert files(cloud) == set()
    return server_id


def test_files_made_after_a_build_was_taken_back_are_removed(cloud, failed):
    prepare(cloud, failed)
    sweep(cloud)
    assert files(cloud) == set()
    assert cloud.server(failed)["status"] == "ERROR"


def test_files_made_after_a_deletion_are_removed(cloud, failed):
    server_id = cloud.boot()
    cloud.until_status(server_id, "ACTIVE")
    for gone in (server_id, failed):
        cloud.api.request("DELETE", f"/servers/{gone}")
        cloud.until(lambda gone=gone: cloud.server(gone)["status"] == "GONE")
        prepare(cloud, gone)
    sweep(cloud)
    assert files(cloud) == set()


def test_files_of_a_server_with_a_live_job_are_left_alone(cloud, failed, caplog):
    cloud.stop()
    cloud.start("compute")
    cloud.api.request("DELETE", f"/servers/{failed}")  # waits for the scheduler
    prepare(cloud, failed)
    with caplog.at_level(logging.ERROR):
        sweep(cloud)
    assert files(cloud) == {failed}
    assert "administrator" not in caplog.text


def test_files_that_nothing_proves_to_be_given_up_are_reported_and_kept(cloud, caplog):
    cloud.start()
    moved, stranger = cloud.boot(), runtime.uuid()
    cloud.until_status(moved, "ACTIVE")
    prepare(cloud, stranger)
    says_host2 = sa.update(instances).where(instances.c.id == moved).values(host="host2")
    cloud.clients.db.write(context.admin(), lambda tx: tx.execute(says_host2))
    with caplog.at_level(logging.ERROR):
        sweep(cloud)
    assert files(cloud) == {moved, stranger}
    assert f"server {moved} is found on this host and belongs to host2; an administrator must decide" in caplog.text
    assert f"server {stranger} is found on this host and has no row; an administrator must decide" in caplog.text


def test_a_server_that_is_here_again_keeps_its_files(cloud, failed):
    """Its build was taken back here once, and its row says this host now."""
    says_host1 = sa.update(instances).where(instances.c.id == failed).values(host="host1")
    cloud.clients.db.write(context.admin(), lambda tx: tx.execute(says_host1))
    prepare(cloud, failed)
    sweep(cloud)
    assert files(cloud) == {failed}
