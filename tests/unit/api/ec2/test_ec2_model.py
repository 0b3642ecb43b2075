"""The generated model is the published one, and the tool says when it is not."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import botocore.session
import pytest

from iaas.api.ec2 import model

ROOT = Path(__file__).resolve().parents[4]
SERVICE = botocore.session.get_session().get_service_model("ec2")


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("ec2_model", ROOT / "tools" / "ec2_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_model_is_current(tool):
    assert tool.main(["--check"]) == 0


def test_an_edited_model_is_not_current(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "TARGET", tmp_path / "model.json")
    assert tool.main(["--check"]) == 1
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0
    document = json.loads(tool.TARGET.read_text())
    document["actions"].pop("RunInstances")
    tool.TARGET.write_text(json.dumps(document))
    assert tool.main(["--check"]) == 1
    assert "not current" in capsys.readouterr().err


def test_the_tool_lists_every_published_action(tool, capsys):
    assert tool.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line[2:] for line in lines[:-1]} == model.load().published
    assert sorted(model.load().published) == sorted(SERVICE.operation_names)  # type: ignore[arg-type]
    assert {line[2:] for line in lines[:-1] if line.startswith("*")} == set(model.load().actions)


def test_names_types_and_requirements_are_those_published():
    run = model.load().actions["RunInstances"]
    assert run.request.members["SecurityGroupId"] == model.ListOf(model.Scalar("string"))
    assert run.request.members["DryRun"] == model.Scalar("boolean")
    assert run.request.required == {"MinCount", "MaxCount"}
    assert run.response is not None
    assert isinstance(run.response.members["instancesSet"], model.ListOf)
    assert model.load().actions["CreateTags"].response is None
    assert model.load().namespace == "http://ec2.amazonaws.com/doc/2016-11-15/"


def test_a_reference_to_nothing_is_refused():
    document = {"requests": {"A": {"B": "[Nothing]"}}, "responses": {}, "actions": {}, "published": []}
    with pytest.raises(KeyError):
        model.parse({**document, "version": "", "namespace": ""})
