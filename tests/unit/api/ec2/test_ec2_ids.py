"""EC2 ids and the rows behind them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iaas.api.ec2 import errors, ids

UUID = "0123abcd-4567-4def-89ab-0123456789ab"


@given(st.uuids(), st.sampled_from(sorted(ids.KINDS)))
def test_an_id_leads_back_to_the_beginning_of_its_uuid(uuid, kind):
    ec2_id = ids.to_ec2(kind, str(uuid))
    assert re.fullmatch(r"[a-z]+-[0-9a-f]{17}", ec2_id)
    assert ids.check(kind, ec2_id) == ec2_id
    assert ids.kind_of(ec2_id) == kind
    assert str(uuid).startswith(ids.prefix(kind, ec2_id))
    assert len(ids.prefix(kind, ec2_id)) == 20


def test_an_instance_id_looks_as_ec2s_do():
    assert ids.to_ec2("instance", UUID) == "i-0123abcd45674def8"
    assert ids.prefix("instance", "i-0123abcd45674def8") == "0123abcd-4567-4def-8"


@pytest.mark.parametrize(
    "bad",
    ["", "i", "i-", "0123abcd45674def8", "i-0123abcd45674def", "i-0123abcd45674def80", "i-0123ABCD45674DEF8"]
    + ["ami-0123abcd45674def8", "i-0123abcd45674deg8", "i-0123abcd45674def8\n", "i-%", "I-0123abcd45674def8"]
    + ["i_0123abcd45674def8", "i--123abcd45674def8", "i-\u0661123abcd45674def8"],
)
def test_what_cannot_be_an_instance_id_is_malformed(bad):
    with pytest.raises(errors.InvalidInstanceIdMalformed) as caught:
        ids.prefix("instance", bad)
    assert caught.value.code == "InvalidInstanceID.Malformed"


def test_every_kind_has_its_own_prefix():
    assert len({kind.prefix for kind in ids.KINDS.values()}) == len(ids.KINDS)


def test_an_id_of_no_kind_is_refused_where_any_may_stand():
    with pytest.raises(errors.InvalidIdMalformed):
        ids.kind_of("nonsense-0123abcd45674def8")
    with pytest.raises(errors.InvalidAmiIdMalformed):
        ids.kind_of("ami-1")


def test_a_missing_row_is_told_by_its_ec2_id():
    assert ids.not_found("keypair", "key-1").message == "The key pair 'key-1' does not exist."


@pytest.mark.parametrize("bad", ["", "0123ABCD-4567-4def-89ab-0123456789ab", UUID.replace("-", ""), UUID + "\n"])
def test_only_a_uuid_has_an_ec2_id(bad):
    with pytest.raises(ValueError, match="not a UUID"):
        ids.to_ec2("instance", bad)
