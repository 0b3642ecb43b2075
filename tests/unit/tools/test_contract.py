"""The published contract as test data, and the checks built on it."""

from __future__ import annotations

import collections
import json
import re
import sys
from typing import Any

import pytest

from tests.fixtures import contract
from tools import contract as tool
from tools import contract_samples as published

SERVER = {"id": "8a2b1c9e-4f3d-4e21-9c55-0d3e7f1a2b3c", "name": "web", "status": "ACTIVE"}
SAMPLES = published.folder()


# -- the extract -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not tool.folder().is_dir(), reason=f"the published documents are not at {tool.folder()}")
def test_the_committed_data_is_what_the_documents_say():
    assert tool.stale() == []


def test_check_says_loudly_that_it_compared_nothing(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("IAAS_REFERENCE", str(tmp_path / "absent"))
    assert tool.main(["--check"]) == 0
    assert "SKIPPED" in capsys.readouterr().err
    assert tool.main([]) == 1


def test_a_changed_file_is_stale(tmp_path, monkeypatch):
    document = {
        "info": {"version": "1"},
        "paths": {"/v2/x": {"get": {"description": "Normal response codes: 202", "responses": {"200": {}}}}},
        "components": {"schemas": {}},
    }
    monkeypatch.setattr(tool, "load", lambda path: document)
    (tmp_path / "x.json").write_text(tool.render(tool.build(document)), encoding="utf-8")
    assert tool.stale({"x": "x.yaml"}, tmp_path) == []
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    assert tool.stale({"x": "x.yaml"}, tmp_path) == ["x"]


def test_the_extract_holds_no_prose_and_stays_small():
    files = sorted(contract.DATA.glob("*.json"))
    assert [file.stem for file in files] == sorted([*contract.SERVICES, "members"])
    assert sum(file.stat().st_size for file in files) < 1_500_000
    assert tool.prune({"type": "object", "description": "x", "properties": {"description": {"title": "y"}}}) == {
        "type": "object",
        "properties": {"description": {}},
    }


def test_every_reference_of_the_extract_is_in_it():
    for service in contract.SERVICES:
        data = contract.load(service)
        assert set(tool.references([data["operations"], data["schemas"]])) <= set(data["schemas"])


# -- finding operations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "method", "path", "action", "published"),
    [
        ("compute", "GET", "/servers/{server_id}", None, "/v2.1/servers/{id}"),
        ("compute", "GET", "/v2.1/servers/detail?limit=1", None, "/v2.1/servers/detail"),
        ("compute", "post", "http://host:8774/v2.1/servers/abc/action", "reboot", "/v2.1/servers/{id}/action"),
        ("block-storage", "GET", "/v3/8f1b/volumes/detail", None, "/v3/volumes/detail"),
        ("block-storage", "GET", "/volumes/{volume_id}", None, "/v3/volumes/{id}"),
        ("network", "PUT", "/networking/v2.0/routers/r/add_router_interface", None,
         "/v2.0/routers/{id}/add_router_interface"),
        ("identity", "GET", "/", None, "/"),
        ("identity", "GET", "/v3/projects/p", None, "/v3/projects/{project_id}"),
        ("image", "PATCH", "/v2/images/i", None, "/v2/images/{image_id}"),
    ],
)  # fmt: skip
def test_a_path_finds_its_operation_whatever_its_parameters_are_called(service, method, path, action, published):
    found = contract.find_operation(service, method, path, action)
    assert found is not None
    assert (found.path, found.action) == (published, action)


def test_what_is_not_published_is_not_found():
    assert contract.find_operation("compute", "GET", "/servers/{id}/nonsense") is None
    assert contract.find_operation("compute", "POST", "/servers/{id}/action", "nonsense") is None
    with pytest.raises(AssertionError, match="no compute GET /nonsense"):
        contract.validate_response("compute", "GET", "/nonsense", 200, {})


# -- checking answers ------------------------------------------------------------------------------------


def show(body: Any, status: int = 200, microversion: str | None = None) -> None:
    contract.validate_response("compute", "GET", "/servers/{id}", status, body, microversion=microversion)


def test_a_right_answer_passes():
    show({"server": SERVER})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"server": {**SERVER, "id": 7}}, r"body\['server'\]\['id'\]: 7 is not of type \"string\""),
        ({"server": {**SERVER, "id": "7"}}, "is not a \"uuid\""),
        ({"server": {**SERVER, "status": None}}, r"\['status'\]: null"),
        ({"server": {**SERVER, "created": "yesterday"}}, "date-time"),
        ({"instance": SERVER}, "\"server\" is a required property"),
        (None, "the body is missing"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_told_with_its_place(body, said):
    with pytest.raises(AssertionError, match=said):
        show(body)


def test_a_status_that_is_not_published_fails():
    with pytest.raises(AssertionError, match=r"status 202 is not one of \[200\]"):
        show({"server": SERVER}, status=202)


def test_a_member_must_wait_for_its_microversion():
    show({"server": {**SERVER, "host_status": "UP"}}, microversion="2.16")
    for earlier in ("2.15", None):
        with pytest.raises(AssertionError, match="host_status"):
            show({"server": {**SERVER, "host_status": "UP"}}, microversion=earlier)


def test_a_member_must_leave_after_its_last_microversion():
    body = {"server": {**SERVER, "flavor": {"id": "1", "links": []}}}
    show(body, microversion="2.46")
    for later in ("2.47", "latest"):
        with pytest.raises(AssertionError, match="flavor"):
            show(body, microversion=later)


@pytest.mark.parametrize(
    ("service", "path", "body"),
    [
        ("compute", "/servers/x", {"itemNotFound": {"code": 404, "message": "No."}}),
        ("block-storage", "/volumes/x", {"itemNotFound": {"code": 404, "message": "No."}}),
        ("identity", "/projects/x", {"error": {"code": 404, "title": "Not Found", "message": "No."}}),
        ("network", "/ports/x", {"NeutronError": {"type": "PortNotFound", "message": "No.", "detail": ""}}),
    ],
)
def test_a_fault_has_the_envelope_of_its_service(service, path, body):
    contract.validate_response(service, "GET", path, 404, body)
    name = next(iter(body))
    for wrong in ({name: {**body[name], "message": None}}, body[name], None):
        with pytest.raises(AssertionError, match="fault"):
            contract.validate_response(service, "GET", path, 404, wrong)


def test_an_action_answers_with_its_own_status():
    contract.validate_response("compute", "POST", "/servers/s/action", 202, None, action="reboot")
    with pytest.raises(AssertionError, match="202"):
        contract.validate_response("compute", "POST", "/servers/s/action", 202, None, action="os-getConsoleOutput")


def test_what_is_created_looks_like_what_is_read_where_the_document_is_silent():
    with pytest.raises(AssertionError, match='"user" is a required property'):
        contract.validate_response("identity", "POST", "/v3/users", 201, {"users": []})


def test_a_request_is_checked_by_its_microversion():
    new = {"server": {"name": "web", "flavorRef": "1", "imageRef": SERVER["id"], "networks": "auto"}}
    contract.validate_request("compute", "POST", "/servers", new, microversion="2.37")
    with pytest.raises(AssertionError, match="does not take this body"):
        contract.validate_request("compute", "POST", "/servers", new, microversion="2.36")


def test_calls_are_recorded_for_the_ledger_only_when_a_run_asks(monkeypatch, tmp_path):
    monkeypatch.delenv("IAAS_EXERCISED", raising=False)
    contract.record_exercised("compute", "GET", "/servers")
    monkeypatch.setenv("IAAS_EXERCISED", str(tmp_path / "record"))
    contract.record_exercised("compute", "GET", "/servers")
    contract.record_exercised("ec2", "POST", "/", "RunInstances")
    lines = (tmp_path / "record").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        ["compute", "GET", "/servers", None],
        ["ec2", "POST", "/", "RunInstances"],
    ]


# -- the published samples -------------------------------------------------------------------------------

#: samples that do not meet the contract, and why they are the ones in the wrong
FAULTY_SAMPLES = {
    "block-storage": {
        r"attachment-(create|show|update)-response": "the instance's id has letters no uuid has",
        r"messages-list-response": "a message's id has letters no uuid has",
        r".*-manage-response": 'the words "null" and "false" in place of the values',
    },
    "compute": {
        r"attach-volume-to-server-resp": "2.89 dropped the id; the sample of this one request still has it",
        r".*(uptime|with-servers|without-servers|search)-resp": "of an operation whose answer is not described",
        r"baremetal-node-list-resp|consoles-get-resp": "of an operation whose answer is not described",
    },
    "image": {
        r"schemas-.*": "a JSON schema, which the document describes as text",
        r"metadef-tags-create-response": "of an operation whose answer is not described",
    },
    "network": {
        r"agents-list-response": "an id begins with a space",
        r"port-bind-create-response": "a kind of interface called other",
    },
}


#: at least so many samples of each service meet the contract, of those that have a described operation
VALID = {"compute": 286, "identity": 95, "image": 40, "network": 178, "block-storage": 147}


needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"the published samples are not at {SAMPLES}")


@needs_samples
@pytest.mark.parametrize("service", contract.SERVICES)
def test_the_published_samples_meet_the_contract(service):
    outcomes = {sample: published.outcome(service, sample) for sample in published.samples(service)}
    counts = collections.Counter("differs" if " answered " in text else text for text in outcomes.values())
    print(f"{service}: {dict(counts)}", file=sys.stderr)
    known = "|".join(FAULTY_SAMPLES.get(service, {})) or "(?!)"
    unexplained = {
        sample.relative_to(SAMPLES).as_posix(): text
        for sample, text in outcomes.items()
        if " answered " in text and not re.fullmatch(known, sample.stem)
    }
    assert not unexplained, json.dumps(unexplained, indent=1)
    assert counts[published.VALID] >= VALID[service]


@needs_samples
def test_the_committed_members_are_those_of_the_samples():
    assert published.main(["--check"]) == 0


def test_a_complete_answer_has_the_members_of_the_published_sample():
    def check(body):
        contract.validate_response("compute", "GET", "/servers", 200, body, complete=True)

    check({"servers": [{"id": SERVER["id"], "name": "web", "links": []}]})
    check({"servers": []})
    with pytest.raises(AssertionError, match=r"servers\.links is in the published sample"):
        check({"servers": [{"id": SERVER["id"], "name": "web"}]})


def test_members_are_missed_from_the_microversion_of_their_sample_on():
    def missed(microversion):
        return contract.missing_members("compute", "GET", "/servers/x", {"server": {}}, microversion=microversion)

    assert "server.locked" in missed("2.9")
    assert "server.locked" not in missed("2.8")
    assert "server.status" in missed(None)


def test_a_resource_without_an_envelope_misses_members_too():
    assert "visibility" in contract.missing_members("image", "GET", "/v2/images/x", {"id": SERVER["id"]})
