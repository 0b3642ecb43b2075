"""The edge itself: who signed a request, what form it has, and that each action asks what its native twin asks."""

from __future__ import annotations

import datetime
from typing import Any
from xml.etree import ElementTree

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from iaas.api import ec2 as edge
from iaas.api.compute import app as compute
from iaas.compute import policies
from tests.fixtures.ec2 import REGION, SECRET, Ec2, refused

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
ASK = b"Action=DescribeRegions&Version=2016-11-15"
HTTP = urllib3.PoolManager(retries=False)


def signed(ec2: Ec2, body: bytes = ASK, *, path: str = "", service: str = "ec2", access: str = "member") -> Any:
    """Return a POST signed by botocore."""
    request = AWSRequest("POST", ec2.url + path, headers=dict(FORM), data=body)
    SigV4Auth(Credentials(access, SECRET.format(access)), service, REGION).add_auth(request)
    return request.prepare()


def send(request: Any, **changes: Any) -> tuple[int, str]:
    """Send a request, or what was made of it, and return the status and the error's code."""
    wanted = {"method": request.method, "url": request.url, "headers": dict(request.headers), "body": request.body}
    wanted |= changes
    wanted["headers"].pop("Content-Length", None)  # of the body as it is now
    answer = HTTP.request(**wanted)
    return answer.status, code_in(answer)


def code_in(answer: Any) -> str:
    assert answer.headers["Content-Type"] == "text/xml;charset=UTF-8"
    root = ElementTree.fromstring(answer.data)  # noqa: S314  our own answer
    assert answer.headers["x-amzn-RequestId"] in answer.data.decode()
    return root.findtext("Errors/Error/Code") or root.tag.rpartition("}")[2]


def test_a_signed_form_is_answered_in_xml(ec2: Ec2):
    assert send(signed(ec2)) == (200, "DescribeRegionsResponse")
    assert send(signed(ec2, path="services/Cloud")) == (200, "DescribeRegionsResponse")


def test_who_asks_nothing_is_told_what_this_is(ec2: Ec2):
    answer = HTTP.request("GET", ec2.url)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("access", "secret"), [("member", "wrong"), ("unknown", "secret"), ("member", SECRET.format("reader"))]
)
def test_a_wrong_key_and_an_unknown_one_look_the_same(ec2: Ec2, access: str, secret: str):
    with refused("AuthFailure") as caught:
        ec2.client(access, secret).describe_regions()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 401
    assert caught.value.response["Error"]["Message"] == "The provided credentials could not be validated."


def test_nothing_is_asked_of_identity_that_cannot_be_true(ec2: Ec2, monkeypatch: pytest.MonkeyPatch):
    request = signed(ec2)
    headers = dict(request.headers)
    unsigned = {name: value for name, value in headers.items() if name != "Authorization"}
    assert send(request, headers=unsigned) == (401, "AuthFailure")
    assert send(request, headers={**headers, "Authorization": "AWS x:y"}) == (403, "SignatureDoesNotMatch")
    assert send(signed(ec2, service="s3")) == (403, "SignatureDoesNotMatch")
    assert send(request, url=ec2.url + "?AWSAccessKeyId=x&SignatureVersion=2&Signature=x", method="GET",
                headers={}, body=b"") == (401, "AuthFailure")  # fmt: skip
    for minutes in (-16, 16):
        moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, at=moment: at.replace(tzinfo=None))
        assert send(signed(ec2)) == (400, "RequestExpired")
    assert ec2.identity.asked == 0


def test_a_signature_is_good_for_its_request_only(ec2: Ec2):
    request = signed(ec2, b"Action=DescribeInstances&Version=2016-11-15")
    other = b"Action=TerminateInstances&Version=2016-11-15&InstanceId.1=i-00000000000000000"
    assert send(request, body=other)[1] == "AuthFailure"
    assert send(request, url=ec2.url + "services/Cloud")[1] == "AuthFailure"
    assert send(request, headers={**dict(request.headers), "Host": "elsewhere"})[1] == "AuthFailure"
    assert send(request, url=ec2.url + "?DryRun=true")[1] == "InvalidRequest"
    last = request.headers["Authorization"]
    flipped = last[:-1] + ("0" if last[-1] != "0" else "1")
    assert send(request, headers={**dict(request.headers), "Authorization": flipped})[1] == "AuthFailure"
    assert send(request) == (200, "DescribeInstancesResponse")


def test_a_presigned_url_is_answered_until_its_time_is_over(ec2: Ec2):
    client = ec2.client()
    url = client.generate_presigned_url("describe_regions", ExpiresIn=60, HttpMethod="GET")
    answer = HTTP.request("GET", url)
    assert (answer.status, code_in(answer)) == (200, "DescribeRegionsResponse")
    changed = HTTP.request("GET", url.replace("DescribeRegions", "DescribeInstances"))
    assert code_in(changed) == "AuthFailure"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"Version=2016-11-15", "MissingAction"),
        (b"Action=DescribeRegions&Action=DescribeRegions", "InvalidParameterValue"),
        (b"Action=NoSuchThing", "InvalidAction"),
        (b"Action=CreateVpc", "InvalidAction"),
        (b"Action=DescribeRegions&Colour=red", "UnknownParameter"),
        (b"Action=DescribeRegions&RegionName=x", "InvalidParameterValue"),
        (b"Action=DescribeRegions&DryRun=yes", "InvalidParameterValue"),
        (b"Action=TerminateInstances", "MissingParameter"),
        (b"Action=DescribeRegions&RegionName.1=%ff", "InvalidRequest"),
        (b"Action=DescribeRegions&\xff=x", "InvalidRequest"),
        (b"Action=DescribeRegions" + b"&x=" * 1000, "InvalidRequest"),
        (b"Action=DescribeRegions&x=" + b"y" * 114_688, "InvalidRequest"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(ec2: Ec2, body: bytes, code: str):
    status, found = send(signed(ec2, body))
    assert (status, found) == (400, code)


def test_a_body_that_is_no_form_and_other_paths_and_methods_are_refused(ec2: Ec2):
    request = signed(ec2)
    json = {**dict(request.headers), "Content-Type": "application/json"}
    assert send(request, headers=json) == (400, "InvalidRequest")
    assert send(request, url=ec2.url + "admin") == (400, "InvalidRequest")
    assert send(request, method="PUT") == (400, "InvalidRequest")
    assert send(request, method="GET") == (400, "InvalidRequest")


def test_when_identity_cannot_be_asked_the_client_is_told_to_come_back(ec2: Ec2, monkeypatch: pytest.MonkeyPatch):
    from iaas.common import errors

    def fail(_: Any) -> Any:
        raise errors.Unavailable(reason="The identity service cannot be reached at the moment; try again.")

    monkeypatch.setattr(ec2.identity, "ec2_token", fail)
    request = signed(ec2)
    answer = HTTP.request("POST", request.url, headers=dict(request.headers), body=request.body)
    assert (answer.status, code_in(answer), answer.headers["Retry-After"]) == (503, "Unavailable", "5")


# -- who may do what ---------------------------------------------------------------------------------------

#: each action, and the native operation that is the same decision: method, path, action
TWINS = {
    "RunInstances": ("POST", "/servers", None),
    "DescribeInstances": ("GET", "/servers/detail", None),
    "TerminateInstances": ("DELETE", "/servers/{server_id}", None),
    "StartInstances": ("POST", "/servers/{server_id}/action", "os-start"),
    "StopInstances": ("POST", "/servers/{server_id}/action", "os-stop"),
    "RebootInstances": ("POST", "/servers/{server_id}/action", "reboot"),
    "GetConsoleOutput": ("POST", "/servers/{server_id}/action", "os-getConsoleOutput"),
    "CreateTags": ("POST", "/servers/{server_id}/metadata", None),
    "DeleteTags": ("DELETE", "/servers/{server_id}/metadata/{key}", None),
    "DescribeTags": ("GET", "/servers/detail", None),
    "CreateKeyPair": ("POST", "/os-keypairs", None),
    "ImportKeyPair": ("POST", "/os-keypairs", None),
    "DeleteKeyPair": ("DELETE", "/os-keypairs/{name}", None),
    "DescribeKeyPairs": ("GET", "/os-keypairs", None),
    "DescribeInstanceTypes": ("GET", "/flavors/detail", None),
    "DescribeAvailabilityZones": ("GET", "/os-availability-zone", None),
    "DescribeRegions": ("GET", "/os-availability-zone", None),
}
#: images are another service's: the rule is only that of the proxy
ALONE = {"DescribeImages": "compute:images:read"}


def test_each_action_asks_for_the_rule_of_its_native_twin():
    native = {
        (row.method, row.path, row.action): row.policy
        for resource in compute.resources()
        for row in resource.operations
    }
    asked = {action.name: action.policy for action in edge.actions()}
    assert asked == {name: native[twin] for name, twin in TWINS.items()} | ALONE
    assert set(asked.values()) <= policies.RULES.keys()


def test_a_signer_without_roles_may_do_nothing_of_a_project(ec2: Ec2):
    (instance,) = ec2.run()
    client = ec2.client("nobody")
    for act in ("describe_instances", "terminate_instances", "stop_instances", "start_instances", "reboot_instances"):
        with refused("UnauthorizedOperation"):
            getattr(client, act)(InstanceIds=[instance])
    with refused("UnauthorizedOperation"):
        client.describe_tags()
    with refused("UnauthorizedOperation"):
        ec2.run(access="nobody", ImageId="ami-00000000000000000")
