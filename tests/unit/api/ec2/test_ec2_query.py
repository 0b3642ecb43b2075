"""What botocore serializes is read back as it was meant; what nobody would write is refused."""

from __future__ import annotations

import datetime
import math

import botocore.session
import pytest
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from iaas.api.ec2 import errors, model, query

MODEL = model.load()
SERVICE = botocore.session.get_session().get_service_model("ec2")
RUN = {"ImageId": "ami-1", "MinCount": "1", "MaxCount": "1"}


def parse(action, *pairs, **params):
    return query.parse([*params.items(), *pairs], MODEL.actions[action])


def run(*pairs, **params):
    return parse("RunInstances", *RUN.items(), *pairs, **params)


strings = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8)
SCALARS = {
    "string": strings,
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.integers(-(2**20), 2**20).map(lambda whole: whole / 16),
    "boolean": st.booleans(),
    "timestamp": st.datetimes(
        datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1), timezones=st.just(datetime.UTC)
    ),
    "blob": st.binary(max_size=8),
}


def wire_name(name, shape):
    given = shape.serialization.get("queryName") or shape.serialization.get("name", name)
    return given[0].upper() + given[1:]


def draw(data, shape, depth=0):
    """A value as boto3's caller writes it, and the same by the names on the wire."""
    if shape.type_name == "structure":
        leaves = [name for name, member in shape.members.items() if member.type_name in SCALARS]
        names = list(shape.members) if depth < 3 else leaves
        least = min(depth, 1, len(names))
        chosen = {
            *data.draw(
                st.lists(st.sampled_from(names or ["-"]), min_size=least, max_size=4 if names else 0, unique=True)
            )
        }
        chosen |= {*shape.required_members}
        drawn = {name: draw(data, shape.members[name], depth + 1) for name in sorted(chosen)}
        wire = {wire_name(name, shape.members[name]): value for name, (_, value) in drawn.items()}
        # what is empty cannot be seen in a query string
        return {name: value for name, (value, _) in drawn.items()}, {k: v for k, v in wire.items() if v not in ({}, [])}
    if shape.type_name == "list":
        drawn = [draw(data, shape.member, depth + 1) for _ in range(data.draw(st.integers(1, 3)))]
        drawn = [(value, wire) for value, wire in drawn if wire not in ({}, [])]
        return [value for value, _ in drawn], [wire for _, wire in drawn]
    value = data.draw(SCALARS[shape.type_name])
    return value, value


@pytest.mark.parametrize("name", sorted(MODEL.actions))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_boto3_sends_is_read_back(name, data):
    operation = SERVICE.operation_model(name)
    given_values, expected = draw(data, operation.input_shape)
    body = create_serializer("ec2", include_validation=False).serialize_to_request(given_values, operation)["body"]
    pairs = [(key, str(value)) for key, value in body.items()]
    assert query.parse(pairs, MODEL.actions[name]) == expected


def test_lists_structures_and_tags_nest():
    found = run(
        ("SecurityGroupId.2", "sg-2"),
        ("SecurityGroupId.1", "sg-1"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", ""),
        ("Placement.AvailabilityZone", "nova"),
    )
    assert found["SecurityGroupId"] == ["sg-1", "sg-2"]
    assert found["TagSpecification"] == [{"ResourceType": "instance", "Tag": [{"Key": "Name", "Value": ""}]}]
    assert found["Placement"] == {"AvailabilityZone": "nova"}
    assert (found["MinCount"], found["MaxCount"]) == (1, 1)


def test_ten_members_are_in_the_order_of_their_numbers():
    pairs = [(f"InstanceId.{index}", f"i-{index}") for index in range(12, 0, -1)]
    assert parse("DescribeInstances", *pairs)["InstanceId"] == [f"i-{index}" for index in range(1, 13)]


def test_what_belongs_to_the_protocol_is_not_a_parameter():
    common = {"Action": "DescribeRegions", "Version": "2016-11-15", "AWSAccessKeyId": "x", "Timestamp": "x"}
    signed = {"Signature": "x", "SignatureMethod": "x", "SignatureVersion": "2", "X-Amz-Date": "x"}
    assert parse("DescribeRegions", **common, **signed, DryRun="true") == {"DryRun": True}


@pytest.mark.parametrize(
    "name",
    [
        "Nonsense",
        "imageId",
        "ImageID",
        "KeyName.1",
        "SecurityGroupId.x",
        "SecurityGroupId.0",
        "SecurityGroupId.01",
    ]
    + [
        "SecurityGroupId.-1",
        "SecurityGroupId.1.1",
        "SecurityGroupId.99999",
        "Placement.Nonsense",
        "Placement..Tenancy",
    ]
    + [".", "", "Placement.", ".ImageId", "TagSpecification.1.Nonsense", "SecurityGroupId.\u0661", "a" * 5000]
    + [".".join(["a"] * 40), "A\x00"],
)
def test_a_name_the_model_does_not_have_is_refused(name):
    with pytest.raises(errors.UnknownParameter) as caught:
        run((name, "1"))
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("name", "value"),
    [("Ipv6AddressCount", value) for value in ["0x10", "1e5", "1.0", " 1", "+1", "", "one", "\u0661", str(2**31)]]
    + [("EbsOptimized", value) for value in ["True", "TRUE", "1", "yes", "", " true"]]
    + [("KeyName", value) for value in ["a\x00b", "\x1b[31m", "\ud800", "\ufffe"]]
    + [("SecurityGroupId", ""), ("Placement", ""), ("SecurityGroupId", "sg-1")]
    + [("SecurityGroupId.2", "sg-2"), ("ImageId", "ami-2"), ("MinCount", "9" * 100_000)],
)
def test_a_value_that_is_not_of_its_type_is_refused(name, value):
    with pytest.raises(errors.InvalidParameterValue) as caught:
        run((name, value))
    assert name.removesuffix(".2") in caught.value.message


def test_numbers_are_not_octal():
    assert run(Ipv6AddressCount="010")["Ipv6AddressCount"] == 10


@pytest.mark.parametrize(
    "pairs",
    [[("Placement.Tenancy", "x"), ("Placement", "y")], [("Placement", "y"), ("Placement.Tenancy", "x")]],
)
def test_a_name_that_is_both_a_value_and_a_structure_is_refused(pairs):
    with pytest.raises(errors.InvalidParameterValue):
        run(*pairs)


def test_a_required_parameter_that_is_missing_is_named():
    with pytest.raises(errors.MissingParameter, match="MaxCount"):
        parse("RunInstances", MinCount="1", ImageId="ami-1")
    with pytest.raises(errors.MissingParameter, match=r"ElasticInferenceAccelerator\.1\.Type"):
        run(("ElasticInferenceAccelerator.1.Count", "1"))


def test_more_than_a_thousand_parameters_are_refused():
    pairs = [(f"InstanceId.{index}", "i-1") for index in range(1, query.MAX_PARAMETERS + 1)]
    assert len(parse("DescribeInstances", *pairs)["InstanceId"]) == query.MAX_PARAMETERS
    with pytest.raises(errors.InvalidRequest):
        parse("DescribeInstances", *pairs, ("InstanceId.1001", "i-1"))


def scalar(kind, text):
    return query.SCALARS[kind]("Name", text)


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z", "2026-01-02T04:04:05+01:00"])
def test_a_time_is_read_in_utc(text):
    assert scalar("timestamp", text) == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("timestamp", text) for text in ["2026-01-02", "2026-01-02T03:04:05", "2026-02-30T00:00:00Z", "0", ""]]
    + [("timestamp", "0001-01-01T00:00:00+23:59"), ("timestamp", "2026-01-02T03:04:05+99:99")]
    + [("double", text) for text in ["nan", "inf", "1e400", "", ".", "1_000"]]
    + [("long", str(2**63)), ("blob", "a"), ("blob", "a b="), ("blob", "\u00e9"), ("blob", "YQ==\n")],
)
def test_scalars_that_no_action_takes_yet_are_as_strict(kind, text):
    with pytest.raises(errors.InvalidParameterValue):
        scalar(kind, text)


def test_decimals_and_bytes_are_read():
    assert math.isclose(scalar("double", "-1.5"), -1.5)
    assert scalar("blob", "aGk=") == b"hi"
    assert parse("ImportKeyPair", KeyName="k", PublicKeyMaterial="aGk=")["PublicKeyMaterial"] == b"hi"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.text("ImageId.1Placement", max_size=20) | st.text(), st.text()), max_size=5))
def test_any_parameters_are_read_or_refused_and_break_nothing(pairs):
    try:
        found = query.parse(pairs, MODEL.actions["DescribeInstances"])
    except errors.Ec2Error:
        return
    assert set(found) <= set(MODEL.actions["DescribeInstances"].request.members)
