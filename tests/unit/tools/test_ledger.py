"""The coverage ledger: what is claimed, what is published, and what a test run has called."""

from __future__ import annotations

import itertools
import json
import sys

import pytest

from tools import coverage_ledger as ledger

PACKAGE = """
from iaas.common.rest.operations import Resource

servers = Resource()

@servers.operation("GET", "/servers/{server_id}", policy="compute:servers:show", first="2.1")
def show(call): ...

@servers.operation("POST", "/servers/{server_id}/action", action="reboot", policy="compute:servers:reboot")
def reboot(call): ...

@servers.operation("GET", "/servers/{server_id}/weather", policy="compute:servers:weather", first="2.3", last="2.5")
def weather(call): ...

def resources():
    return [servers]
"""
NAMES = (f"ledger_example_{number}" for number in itertools.count())


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a module and get its name, which no other test has."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def write(source: str) -> str:
        made.append(next(NAMES))
        (tmp_path / f"{made[-1]}.py").write_text(source, encoding="utf-8")
        return made[-1]

    yield write
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def record(tmp_path):
    """Write the record of a test run."""

    def write(*calls):
        path = tmp_path / "record"
        path.write_text("".join(json.dumps(call) + "\n" for call in calls), encoding="utf-8")
        return path

    return write


SHOW = ["compute", "GET", "/servers/{id}", None]
REBOOT = ["compute", "POST", "/v2.1/servers/{server}/action", "reboot"]
WEATHER = ["compute", "GET", "/servers/{x}/weather", None]


def test_a_package_that_is_not_there_claims_nothing(package, monkeypatch):
    monkeypatch.setattr(ledger, "PACKAGES", {"compute": "iaas.api.not_there_yet", "image": package("")})
    assert ledger.implemented() == {"compute": [], "image": []}


def test_a_package_that_breaks_is_not_taken_for_an_absent_one(package, monkeypatch):
    monkeypatch.setattr(ledger, "PACKAGES", {"compute": package("import nonsense_dependency")})
    with pytest.raises(ModuleNotFoundError, match="nonsense_dependency"):
        ledger.implemented()


def test_claims_are_matched_to_the_published_ones_by_shape(package, monkeypatch):
    monkeypatch.setattr(ledger, "PACKAGES", {"compute": package(PACKAGE)})
    lines = ledger.ledger(ledger.implemented(), set())
    claimed = {(line.method, line.path, line.action): line for line in lines if line.claim}
    assert set(claimed) == {
        ("GET", "/v2.1/servers/{id}", None),
        ("POST", "/v2.1/servers/{id}/action", "reboot"),
        ("GET", "/servers/{server_id}/weather", None),
    }
    assert claimed["GET", "/servers/{server_id}/weather", None].versions == "2.3 to 2.5"
    counts = ledger.totals(lines)
    assert (counts["compute"]["implemented"], counts["compute"]["unpublished"]) == (2, 1)
    assert counts["image"]["implemented"] == 0
    assert counts["ec2"]["published"] > 700


def test_a_claim_that_no_test_exercises_is_refused(package, record, monkeypatch, capsys):
    monkeypatch.setattr(ledger, "PACKAGES", {"compute": package(PACKAGE)})
    assert ledger.main(["--exercised", str(record(SHOW, REBOOT))]) == 1
    assert "REFUSED: compute GET /servers/{server_id}/weather" in capsys.readouterr().err
    assert ledger.main(["--exercised", str(record(SHOW, REBOOT, WEATHER))]) == 0
    assert "REFUSED" not in capsys.readouterr().err


def test_without_a_record_nothing_is_said_to_be_exercised(monkeypatch, capsys):
    monkeypatch.delenv("IAAS_EXERCISED", raising=False)
    assert ledger.main(["--json"]) == 0
    out = capsys.readouterr()
    assert "NOT CHECKED" in out.err
    assert json.loads(out.out)["checked"] is False
    assert ledger.main(["--strict"]) == 1


def test_the_record_of_the_environment_is_read(package, record, monkeypatch, capsys):
    monkeypatch.setattr(ledger, "PACKAGES", {"compute": package(PACKAGE)})
    monkeypatch.setenv("IAAS_EXERCISED", str(record(SHOW)))
    assert ledger.main(["--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["checked"] is True
    assert told["services"]["compute"]["exercised"] == 1
    assert told["refused"] == [
        "compute POST /v2.1/servers/{id}/action (reboot)",
        "compute GET /servers/{server_id}/weather",
    ]


def test_ec2_actions_are_claimed_and_exercised_by_name(package, record, monkeypatch, capsys):
    source = (
        "from types import SimpleNamespace as S\n"
        "def actions():\n    return [S(name='RunInstances', policy='compute:servers:create')]\n"
    )
    monkeypatch.setattr(ledger, "PACKAGES", {"ec2": package(source)})
    assert ledger.main(["--exercised", str(record())]) == 1
    assert "REFUSED: ec2 POST / (RunInstances)" in capsys.readouterr().err
    assert ledger.main(["--exercised", str(record(["ec2", "POST", "/", "RunInstances"]))]) == 0


def test_several_rows_of_one_operation_are_one_claim():
    rows = [
        ledger.Claim("GET", "/images", None, "p", "", "2.35"),
        ledger.Claim("GET", "/images", None, "p", "2.36", ""),
    ]
    lines = [line for line in ledger.ledger({"compute": rows}, set()) if line.claim]
    assert [(line.path, line.versions) for line in lines] == [("/v2.1/images", "")]


def test_the_document_lists_every_operation_and_check_holds_it_current(package, monkeypatch, tmp_path, capsys):
    document = tmp_path / "operations.md"
    monkeypatch.setattr(ledger, "DOCUMENT", document)
    monkeypatch.setattr(ledger, "PACKAGES", {"compute": package(PACKAGE)})
    assert ledger.main(["--check"]) == 1
    assert ledger.main(["--markdown", str(document)]) == 0
    assert ledger.main(["--check"]) == 0
    text = document.read_text(encoding="utf-8")
    assert "| `GET /v2.1/servers/{id}` |  | yes | from 2.1 | compute:servers:show |" in text
    assert "| `POST /v2.1/servers/{id}/action` | pause | no |" in text
    assert "| `GET /v2.1/os-cells` |  | withdrawn |" in text
    assert "| `GET /servers/{server_id}/weather` |  | yes | 2.3 to 2.5 | compute:servers:weather |" in text
    assert "| RunInstances | no |  |" in text
    document.write_text(text.replace("yes", "no"), encoding="utf-8")
    assert ledger.main(["--check"]) == 1
    assert "not current" in capsys.readouterr().err


def test_a_pipe_gets_plain_columns(capsys, monkeypatch):
    monkeypatch.delenv("IAAS_EXERCISED", raising=False)
    ledger.main([])
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.split()[:3] == ["service", "implemented", "published"]
    assert second.startswith("compute ")
