"""A real boto3 client through signature, parameters, table and XML, with only the wire left out."""

from __future__ import annotations

import datetime
import io
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from iaas.api.ec2 import errors, query
from iaas.api.ec2.action import Actions, fault
from iaas.common.context import RequestContext
from iaas.identity import sigv4

CTX = RequestContext(request_id="req-1", project_id="p")
SECRET = "secret"
LAUNCHED = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


class Everything:
    """The policy of somebody who may do all."""

    def check(self, ctx, rule, target=None):
        assert ctx is CTX


class Edge:
    """The EC2 edge as it will stand behind a server."""

    def __init__(self):
        self.actions = Actions()
        self.seen = []
        self.actions.action("RunInstances", policy="compute:servers:create")(self.run_instances)
        self.actions.action("TerminateInstances", policy="compute:servers:delete")(self.terminate_instances)
        self.actions.action("CreateTags", policy="compute:servers:update")(self.create_tags)

    def run_instances(self, call):
        self.seen.append(call.params)
        instance = {"instanceId": "i-0123456789abcdef0", "launchTime": LAUNCHED, "instanceState": {"code": 0}}
        return {"ownerId": call.ctx.project_id, "instancesSet": [instance], "requesterId": None}

    def terminate_instances(self, call):
        raise errors.InvalidInstanceIdNotFound(id=call.params["InstanceId"][0])

    def create_tags(self, call):
        self.seen.append(call.params)

    def __call__(self, environ):
        body = environ["wsgi.input"].read()
        try:
            credentials = sigv4.from_wsgi(environ, body)
            sigv4.verify(credentials, SECRET, datetime.datetime.now(datetime.UTC), services={"ec2"})
        except sigv4.SignatureMismatch:
            return fault(errors.SignatureDoesNotMatch(), "req-1")
        pairs = parse_qsl(environ["QUERY_STRING"] or body.decode(), keep_blank_values=True, strict_parsing=True)
        return self.actions.dispatch(SimpleNamespace(policy=Everything()), CTX, pairs, "req-1")

    def send(self, request, **_):
        url = urlsplit(request.url)
        body = request.body or b""
        environ = {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": url.path or "/",
            "QUERY_STRING": url.query,
            "HTTP_HOST": url.netloc,
            "wsgi.input": io.BytesIO(body.encode() if isinstance(body, str) else body),
        }
        for name, value in request.headers.items():
            shown = value.decode() if isinstance(value, bytes) else value
            key = name.upper().replace("-", "_")
            environ[key if key.startswith("CONTENT_") else f"HTTP_{key}"] = shown
        status, document = self(environ)
        answer = AWSResponse(request.url, status, {}, None)
        answer._content = document
        return answer


@pytest.fixture
def edge():
    return Edge()


@pytest.fixture
def connect(edge):
    def client(secret=SECRET):
        made = boto3.client(
            "ec2",
            region_name="RegionOne",
            endpoint_url="http://127.0.0.1:8773/services/Cloud",
            aws_access_key_id="access",
            aws_secret_access_key=secret,
            config=Config(retries={"max_attempts": 0}),
        )
        made.meta.events.register("before-send.ec2", edge.send)
        return made

    return client


def test_run_instances_there_and_back(edge, connect):
    made = connect().run_instances(
        ImageId="ami-1",
        MinCount=1,
        MaxCount=2,
        UserData="#!/bin/sh\necho é+ &=%2f",
        SecurityGroupIds=["sg-1", "sg-2"],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "a b"}]}],
    )
    assert made["Instances"] == [{"InstanceId": "i-0123456789abcdef0", "LaunchTime": LAUNCHED, "State": {"Code": 0}}]
    assert made["OwnerId"] == "p"
    (seen,) = edge.seen
    assert query.decode_base64("UserData", seen["UserData"]) == "#!/bin/sh\necho é+ &=%2f".encode()
    assert seen["SecurityGroupId"] == ["sg-1", "sg-2"]
    assert seen["TagSpecification"][0]["Tag"] == [{"Key": "Name", "Value": "a b"}]
    assert (seen["MinCount"], seen["MaxCount"]) == (1, 2)
    assert len(seen.pop("ClientToken")) == 36


@pytest.mark.parametrize(
    ("secret", "dry_run", "code", "status"),
    [
        ("secret", False, "InvalidInstanceID.NotFound", 400),
        ("secret", True, "DryRunOperation", 412),
        ("other", False, "SignatureDoesNotMatch", 403),
    ],
)
def test_boto3_raises_what_the_edge_says(connect, secret, dry_run, code, status):
    with pytest.raises(ClientError) as caught:
        connect(secret).terminate_instances(InstanceIds=["i-1"], DryRun=dry_run)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.value.response["ResponseMetadata"]["RequestId"] == "req-1"


def test_create_tags_has_no_answer_but_success(edge, connect):
    connect().create_tags(Resources=["i-1"], Tags=[{"Key": "k", "Value": ""}])
    assert edge.seen == [{"ResourceId": ["i-1"], "Tag": [{"Key": "k", "Value": ""}]}]


def test_a_presigned_url_runs_its_action(edge, connect):
    url = urlsplit(connect().generate_presigned_url("create_tags", {"Resources": ["i-1"], "Tags": [{"Key": "ä b"}]}))
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": url.path,
        "QUERY_STRING": url.query,
        "HTTP_HOST": url.netloc,
        "wsgi.input": io.BytesIO(b""),
    }
    assert edge(environ)[0] == 200
    assert edge.seen == [{"ResourceId": ["i-1"], "Tag": [{"Key": "ä b"}]}]
    assert edge({**environ, "QUERY_STRING": url.query.replace("i-1", "i-2")})[0] == 403
