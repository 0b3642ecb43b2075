"""What is written is what botocore's own parser reads."""

from __future__ import annotations

import base64
import datetime
import enum

import botocore.session
import pytest
from botocore.parsers import EC2QueryParser
from hypothesis import given, settings
from hypothesis import strategies as st

from iaas.api.ec2 import model, xml

MODEL = model.load()
SERVICE = botocore.session.get_session().get_service_model("ec2")
NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"

SCALARS = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "timestamp": st.datetimes(
        datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1), timezones=st.just(datetime.UTC)
    ),
    "blob": st.binary(max_size=8),
}


def written(action, result, request_id="req-1"):
    return xml.response(MODEL.actions[action], result, request_id, MODEL.namespace)


def read(action, document, status=200):
    answer = {"body": document, "headers": {}, "status_code": status}
    return EC2QueryParser().parse(answer, SERVICE.operation_model(action).output_shape)


def draw(data, shape, depth=0):
    """A result by element names, and what a boto3 caller should get for it."""
    if shape.type_name == "structure":
        leaves = [name for name, member in shape.members.items() if member.type_name in SCALARS]
        names = list(shape.members) if depth < 4 else leaves
        chosen = data.draw(st.lists(st.sampled_from(names), max_size=4, unique=True)) if names else []
        drawn = {name: draw(data, shape.members[name], depth + 1) for name in chosen}
        result = {shape.members[name].serialization.get("name", name): pair[0] for name, pair in drawn.items()}
        return result, {name: pair[1] for name, pair in drawn.items()}
    if shape.type_name == "list":
        drawn = [draw(data, shape.member, depth + 1) for _ in range(data.draw(st.integers(0, 3)))]
        return [pair[0] for pair in drawn], [pair[1] for pair in drawn]
    value = data.draw(SCALARS[shape.type_name])
    if shape.type_name == "string":
        return value, xml._NOT_XML.sub("\ufffd", value)
    if shape.type_name == "timestamp":
        return value, value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value, value


@pytest.mark.parametrize("name", sorted(name for name, action in MODEL.actions.items() if action.response))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_boto3_reads_what_was_written(name, data):
    result, expected = draw(data, SERVICE.operation_model(name).output_shape)
    found = read(name, written(name, result))
    assert found.pop("ResponseMetadata")["RequestId"] == "req-1"
    assert found == expected


def test_a_reservation_looks_as_documented():
    launched = datetime.datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=datetime.UTC)
    instance = {"instanceId": "i-1", "launchTime": launched, "ebsOptimized": False, "amiLaunchIndex": 0}
    document = written("RunInstances", {"ownerId": "a<b>&", "instancesSet": [instance], "groupSet": []}).decode()
    assert document.endswith(
        f'<RunInstancesResponse xmlns="{NAMESPACE}"><requestId>req-1</requestId><ownerId>a&lt;b&gt;&amp;</ownerId>'
        "<instancesSet><item><instanceId>i-1</instanceId><launchTime>2026-01-02T03:04:05.678Z</launchTime>"
        "<ebsOptimized>false</ebsOptimized><amiLaunchIndex>0</amiLaunchIndex></item></instancesSet>"
        "<groupSet /></RunInstancesResponse>"
    )


def test_an_action_without_a_response_answers_true():
    document = written("RebootInstances", None)
    assert b"<return>true</return>" in document
    assert read("RebootInstances", document)["ResponseMetadata"]["RequestId"] == "req-1"


def test_none_is_left_out():
    """An empty launchTime would make boto3 fail."""
    document = written("RunInstances", {"instancesSet": [{"instanceId": "i-1", "launchTime": None}]})
    assert b"launchTime" not in document
    assert read("RunInstances", document)["Instances"] == [{"InstanceId": "i-1"}]


def test_a_time_elsewhere_is_written_in_utc():
    there = datetime.timezone(datetime.timedelta(hours=2))
    launched = datetime.datetime(2026, 1, 2, 1, 0, tzinfo=there)
    document = written("RunInstances", {"instancesSet": [{"launchTime": launched}]})
    assert b"<launchTime>2026-01-01T23:00:00.000Z</launchTime>" in document


def test_blobs_are_base64():
    blob = model.Action("Test", model.Structure("Test"), model.Structure("Out", {"data": model.Scalar("blob")}))
    document = xml.response(blob, {"data": b"\x00\xff"}, "r", NAMESPACE)
    assert base64.b64encode(b"\x00\xff") in document


def test_a_string_enumeration_is_a_string():
    state = enum.StrEnum("state", {"RUNNING": "running"})
    document = written("RunInstances", {"instancesSet": [{"instanceState": {"name": state.RUNNING}}]})
    assert b"<name>running</name>" in document


@pytest.mark.parametrize(
    ("action", "result"),
    [
        ("RunInstances", {"instanceSet": []}),
        ("RunInstances", {"instancesSet": [{"InstanceId": "i-1"}]}),
        ("RunInstances", {"instancesSet": "i-1"}),
        ("RunInstances", {"instancesSet": [None]}),
        ("RunInstances", {"instancesSet": ["i-1"]}),
        ("RunInstances", {"ownerId": 1}),
        ("RunInstances", {"instancesSet": [{"amiLaunchIndex": "0"}]}),
        ("RunInstances", {"instancesSet": [{"amiLaunchIndex": True}]}),
        ("RunInstances", {"instancesSet": [{"ebsOptimized": 1}]}),
        ("RunInstances", {"instancesSet": [{"launchTime": "2026-01-02T03:04:05Z"}]}),
        ("RunInstances", {"instancesSet": [{"launchTime": datetime.datetime(2026, 1, 1)}]}),
        ("RebootInstances", {"return": True}),
    ],
)
def test_a_result_that_is_not_as_the_model_says_is_a_mistake_of_ours(action, result):
    with pytest.raises(TypeError):
        written(action, result)


def test_an_error_is_one_that_boto3_reads():
    document = xml.error("InvalidInstanceID.NotFound", "The instance ID '<i>\x00' does not exist.", "req-2")
    found = read("RunInstances", document, 400)
    assert found["Error"] == {
        "Code": "InvalidInstanceID.NotFound",
        "Message": "The instance ID '<i>\ufffd' does not exist.",
    }
    assert found["ResponseMetadata"]["RequestId"] == "req-2"
