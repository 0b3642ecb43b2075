"""What the flat driver remembers of its last pass, in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from iaas.network.driver import Desired, Subnet
from iaas.network.drivers.flat import last
from tests.contract.network_driver import NET, A, B, everything, make_desired

FULL = Subnet("sub-x", "10.90.0.0/24", None, False, ("192.0.2.53",), (("10.91.0.0/24", "10.90.0.9"),))


def test_everything_comes_back_from_the_file_as_it_was(tmp_path: Path) -> None:
    desired = everything()
    network = replace(desired.networks[0], subnets=(*desired.networks[0].subnets, FULL))
    desired = replace(desired, networks=(network, *desired.networks[1:]))
    desired = replace(desired, ports=tuple(replace(port, device="server") for port in desired.ports))
    last.Last(tmp_path / "desired.json").end(desired)
    again = last.Last(tmp_path / "desired.json")
    again.load()
    assert again.desired == desired


def test_until_a_pass_ends_what_it_takes_away_is_remembered_too(tmp_path: Path) -> None:
    path = tmp_path / "desired.json"
    made = last.Last(path)
    made.end(make_desired(A, B))
    made.begin(make_desired(A))
    assert {port.id for port in last.decode(path.read_text()).ports} == {A.id, B.id}
    assert last.decode(path.read_text()).networks == (NET,)
    made.end(make_desired(A))
    assert last.decode(path.read_text()) == make_desired(A)


def test_a_pass_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "desired.json"
    made = last.Last(path)
    made.end(make_desired(A))
    path.unlink()
    made.begin(make_desired(A))
    made.end(make_desired(A))
    assert not path.exists()


def test_a_torn_file_is_reported_and_as_good_as_none(tmp_path: Path, caplog) -> None:
    path = tmp_path / "desired.json"
    for text in ("{torn", "[]", '{"ports": [{"id": 1}], "networks": [], "rules": {}, "groups": {}}'):
        path.write_text(text)
        made = last.Last(path)
        made.load()
        assert made.desired == Desired()
    assert len(caplog.records) == 3
