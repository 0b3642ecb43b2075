"""The config drive, read back as a guest does."""

from __future__ import annotations

import io
import json

import pycdlib
import pytest

from iaas.compute import configdrive


@pytest.fixture
def opened():
    discs = []

    def opened(data):
        disc = pycdlib.PyCdlib()
        disc.open_fp(io.BytesIO(data))
        discs.append(disc)
        return disc

    yield opened
    for disc in discs:
        disc.close()


def read(disc, path, by="rr_path"):
    out = io.BytesIO()
    disc.get_file_from_iso_fp(out, **{by: path})
    return out.getvalue()


def test_the_label_is_the_one_guests_look_for(opened):
    disc = opened(configdrive.build({"uuid": "u"}))
    assert disc.pvd.volume_identifier.rstrip() == b"config-2"


@pytest.mark.parametrize("by", ["rr_path", "joliet_path"])
def test_every_part_is_found_by_both_kinds_of_names(opened, by):
    disc = opened(
        configdrive.build(
            {"uuid": "u", "name": "wéb"},
            user_data=b"#!/bin/sh\n\xff",
            network_data={"links": []},
            vendor_data={"v": 1},
            ec2_metadata={"instance-id": "i-1"},
        )
    )
    assert json.loads(read(disc, "/openstack/latest/meta_data.json", by)) == {"uuid": "u", "name": "wéb"}
    assert read(disc, "/openstack/latest/user_data", by) == b"#!/bin/sh\n\xff"
    assert json.loads(read(disc, "/openstack/latest/network_data.json", by)) == {"links": []}
    assert json.loads(read(disc, "/openstack/latest/vendor_data.json", by)) == {"v": 1}
    assert json.loads(read(disc, "/ec2/latest/meta-data.json", by)) == {"instance-id": "i-1"}


def test_without_user_data_there_is_no_such_file(opened):
    disc = opened(configdrive.build({"uuid": "u"}))
    names = [child.file_identifier() for child in disc.list_children(joliet_path="/openstack/latest")]
    assert not any("user_data".encode("utf-16-be") in name for name in names)


def test_files_are_delivered_and_listed(opened):
    disc = opened(configdrive.build({"uuid": "u"}, files={"/etc/motd": b"hi", "../../etc/cron.d/x": b"no"}))
    told = json.loads(read(disc, "/openstack/latest/meta_data.json"))
    assert told["files"] == [
        {"content_path": "/content/0000", "path": "/etc/motd"},
        {"content_path": "/content/0001", "path": "../../etc/cron.d/x"},
    ]
    assert read(disc, "/openstack/content/0001") == b"no"


def test_a_drive_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="larger"):
        configdrive.build({}, user_data=b"x" * (configdrive.MAX_BYTES + 1))
