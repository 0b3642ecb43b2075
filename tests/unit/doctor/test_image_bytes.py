"""What the doctor says of bytes in the image store that no image has a right to."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from iaas.common import context
from iaas.db.models.images import blob_gc, images
from tests.fixtures.doctor import IMAGE_ID, uid

pytest_plugins = ["tests.fixtures.doctor"]
GONE = uid(99)


def leave_bytes(clinic, image_id, written=None):
    """Let the store have bytes of one image only."""
    written = clinic.rows.old if written is None else written
    clinic.truth = replace(clinic.truth, blobs={image_id: 3, IMAGE_ID: 7}, written={image_id: written})


def note(clinic, image_id, created_at, removed_at):
    values = {"image_id": image_id, "location": "x", "created_at": created_at, "removed_at": removed_at}
    clinic.rows.image_db.write(context.admin(), lambda tx: tx.insert(blob_gc, **values))


def set_status(clinic, status, updated_at=1.0):
    change = sa.update(images).values(status=status, updated_at=updated_at)
    clinic.rows.image_db.write(context.admin(), lambda tx: tx.execute(change))


def found(clinic, **how):
    """Return the findings about bytes; usage is not what these tests are about."""
    return [row for row in clinic.findings(**how) if row.invariant == "I11"]


def test_bytes_of_no_row_are_told_with_their_age_and_both_ways_out(clinic):
    leave_bytes(clinic, GONE)
    (row,) = found(clinic)
    assert row.subject == f"image {GONE}"
    assert row.what == "The store has 3 bytes of it; no row names it, and nothing proves that they may go."
    assert row.not_before == clinic.rows.old
    assert "Restore the newer one" in row.remedy
    assert "removed by hand" in row.remedy
    assert row.fix is None


def test_bytes_that_were_written_a_moment_ago_are_not_judged(clinic):
    leave_bytes(clinic, GONE, written=clinic.rows.now)
    assert found(clinic) == []
    assert len(found(clinic, grace=0)) == 1


@pytest.mark.parametrize("status", ["queued", "killed", "odd"])
def test_bytes_of_an_image_that_should_have_none_are_told_if_nothing_was_given_up(clinic, status):
    set_status(clinic, status)
    words = [row.what for row in found(clinic) if "nothing proves" in row.what]
    assert words == [f"The store has 7 bytes of it; its row is {status}, and nothing proves that they may go."]


@pytest.mark.parametrize("removed_at", [None, "now"])
def test_bytes_that_the_sweep_is_about_to_remove_are_no_finding(clinic, removed_at):
    leave_bytes(clinic, GONE)
    note(clinic, GONE, clinic.rows.now, removed_at and clinic.rows.now)
    assert found(clinic) == []


def test_bytes_that_a_late_upload_left_just_now_are_no_finding(clinic):
    leave_bytes(clinic, GONE, written=clinic.rows.now)
    note(clinic, GONE, clinic.rows.old, clinic.rows.old)
    assert found(clinic) == []


@pytest.mark.parametrize("removed_at", [None, "old"])
def test_bytes_that_the_sweep_should_have_removed_long_ago_say_that_it_does_not_run(clinic, removed_at):
    leave_bytes(clinic, GONE)
    note(clinic, GONE, clinic.rows.old, removed_at and clinic.rows.old)
    (row,) = found(clinic)
    assert row.what == "The store has 3 bytes of it; it was deleted."
    assert "see whether it runs" in row.remedy


def test_bytes_of_an_upload_that_was_given_up_long_ago_say_so(clinic):
    set_status(clinic, "queued")
    note(clinic, IMAGE_ID, clinic.rows.old, clinic.rows.old)
    (row,) = found(clinic)
    assert row.what == "The store has 7 bytes of it; its upload was given up, it is queued."


def test_bytes_of_the_right_size_that_were_changed_are_told_when_they_were_read(clinic):
    clinic.truth = replace(clinic.truth, digests={IMAGE_ID: "0" * 128}, written={IMAGE_ID: clinic.rows.old})
    (row,) = found(clinic)
    assert row.what == (
        "Its bytes are not those that were uploaded: their SHA-512 begins with 0000000000000000, "
        "that of its row with abababababababab."
    )
    assert row.not_before == clinic.rows.old
    assert "from a backup" in row.remedy


def test_bytes_that_cannot_be_read_are_told(clinic):
    clinic.truth = replace(clinic.truth, digests={IMAGE_ID: None})
    assert [row.what for row in found(clinic)] == ["Its bytes cannot be read to their end."]


def test_an_image_without_a_hash_is_told(clinic):
    change = sa.update(images).values(os_hash_algo=None, os_hash_value=None)
    clinic.rows.image_db.write(context.admin(), lambda tx: tx.execute(change))
    assert [row.what for row in found(clinic)] == ["Its row has no SHA-512 that its bytes could be compared with."]


@pytest.mark.parametrize("digests", [None, {}])
def test_bytes_that_were_not_read_are_not_judged(clinic, digests):
    clinic.truth = replace(clinic.truth, digests=digests)
    assert found(clinic) == []
