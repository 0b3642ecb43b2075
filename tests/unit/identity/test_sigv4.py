"""Requests signed by botocore are accepted; the same requests, changed in any way, are not."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
from unittest import mock
from urllib.parse import quote, unquote_to_bytes, urlsplit

import botocore.auth
import botocore.utils
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from iaas.identity import sigv4

ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
URL = "http://ec2.example.org:8773"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
MINUTE = datetime.timedelta(minutes=1)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: not name.startswith("X-Amz-") and name not in ("Signature", "SignatureVersion")
)
pairs = st.lists(st.tuples(names, text), max_size=6)


def encode(params):
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in params)


def sign(method="POST", path="/", params=(), body=b"", *, presigned=False, expires=600, headers=None, at=NOW, **who):
    """A request as botocore signs it."""
    query = encode(params)
    request = AWSRequest(method, URL + path + ("?" + query if query else ""), headers or {}, body)
    request.context["payload_signing_enabled"] = True
    keys = Credentials(who.get("access", ACCESS), who.get("secret", SECRET))
    scope = who.get("service", "ec2"), who.get("region", "RegionOne")
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=at):
        if presigned:
            botocore.auth.SigV4QueryAuth(keys, *scope, expires=expires).add_auth(request)
        else:
            botocore.auth.SigV4Auth(keys, *scope).add_auth(request)
    return request


def environ(request):
    """The same request as a WSGI server shows it."""
    url = urlsplit(request.url)
    made = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(url.path).decode("latin-1"),
        "QUERY_STRING": url.query,
        "HTTP_HOST": url.netloc,
        "HTTP_USER_AGENT": "Boto3/1.34",
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else "HTTP_" + key
        made[key] = value.encode("utf-8").decode("latin-1")
    return made


def document(request, body=b""):
    """What the edge posts to the identity service, through JSON and back."""
    return json.loads(json.dumps({"credentials": sigv4.from_wsgi(environ(request), body)}))["credentials"]


def check(credentials, secret=SECRET, now=NOW, **limits):
    sigv4.verify(credentials, secret, now, **limits)


def refused(credentials, **more):
    with pytest.raises(sigv4.SignatureMismatch):
        check(credentials, **more)


BODY = b"Action=DescribeInstances&Version=2016-11-15"


@pytest.fixture
def posted():
    return document(sign(body=BODY, headers={"Content-Type": FORM}), BODY)


@pytest.fixture
def presigned():
    return document(sign("GET", params=[("Action", "DescribeInstances")], presigned=True))


@given(body=st.binary(max_size=80), headers=st.dictionaries(st.sampled_from(["X-Amz-Target", "X-Test"]), text))
@settings(max_examples=60, deadline=None)
def test_a_post_signed_in_its_headers_is_accepted(body, headers):
    headers = {name: value.strip() for name, value in headers.items() if value.isprintable()}
    check(document(sign(body=body, headers={"Content-Type": FORM, **headers}), body))


@given(params=pairs)
@settings(max_examples=150, deadline=None)
def test_a_get_signed_in_its_headers_is_accepted_in_any_order(params):
    credentials = document(sign("GET", params=params))
    check(credentials)
    credentials["params"] = dict(reversed(credentials["params"].items()))
    check(credentials)


@given(params=pairs, method=st.sampled_from(["GET", "POST"]))
@settings(max_examples=150, deadline=None)
def test_a_presigned_url_is_accepted(params, method):
    params = list(dict(params).items())  # botocore drops what is given twice before it signs
    check(document(sign(method, params=params, presigned=True)))


@given(path=st.lists(st.sampled_from(["a", "..", ".", "", "b%2fc", "%20", "%C3%A9", "~", "*"]), max_size=5))
@settings(max_examples=200, deadline=None)
def test_a_path_is_normalised_as_the_signer_does(path):
    raw = "/" + "/".join(path)
    assert sigv4.canonical_path(raw) == quote(botocore.utils.normalize_url_path(raw), safe="/~")


@pytest.mark.parametrize("path", ["/services/Cloud", "/services/Cloud/", "/a%20b", "/%C3%A9"])
def test_a_path_is_accepted_as_the_url_had_it(path):
    check(document(sign(path=path, body=BODY), BODY))


def test_an_encoded_slash_is_not_a_slash():
    request = sign(path="/a/b", body=BODY)
    seen = document(request, BODY)
    check(seen)
    seen["path"] = "/a%252fb"
    refused(seen)
    # The server cannot tell the two apart any more once it has decoded the path: refused, not guessed.
    refused(document(sign(path="/a%2fb", body=BODY), BODY))


@given(params=pairs.filter(bool), data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_changed_parameter_is_refused(params, data):
    good = document(sign("GET", params=params))
    name = data.draw(st.sampled_from(sorted(good["params"])))
    value = good["params"][name]
    other = value[::-1] + ["x"] if isinstance(value, list) else value + "x"
    refused({**good, "params": {**good["params"], name: other}})
    refused({**good, "params": {**good["params"], "Extra": ""} if "Extra" not in good["params"] else {}})
    refused({**good, "params": {key: kept for key, kept in good["params"].items() if key != name}})


def test_every_single_changed_bit_of_the_signature_is_refused(posted):
    check(posted)
    signature = posted["signature"].encode()
    for bit in range(len(signature) * 8):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        refused({**posted, "signature": changed.decode("latin-1")})
    refused({**posted, "signature": posted["signature"].upper()})
    refused({**posted, "signature": posted["signature"][:-1]})


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_every_single_changed_bit_of_what_is_signed_is_refused(data):
    good = document(sign(body=BODY, headers={"Content-Type": FORM}), BODY)
    where = data.draw(st.sampled_from(["host", "verb", "path", "body_hash", "access", *good["headers"]]))
    value = (good["headers"][where] if where in good["headers"] else good[where]).encode()
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    shown = changed.decode("latin-1")
    if where in good["headers"]:
        bad = {**good, "headers": {**good["headers"], where: shown}}
    else:
        bad = {**good, where: shown}
    if where == "Authorization" and bit // 8 >= value.index(b"Signature=") + len(b"Signature="):
        return  # the copy of the signature in the header is not what is compared
    if where in ("verb", "host") and shown.lower() == value.decode().lower():
        return  # a verb is canonical in capitals; the host that is signed is the header
    refused(bad)


@pytest.mark.parametrize("minutes", [-15, -1, 0, 1, 15])
def test_a_request_is_good_for_fifteen_minutes_either_way(posted, minutes):
    check(posted, now=NOW + minutes * MINUTE)


@pytest.mark.parametrize("seconds", [-901, 901, 86_400 * 365])
def test_a_request_outside_the_window_is_expired(posted, seconds):
    with pytest.raises(sigv4.RequestExpired):
        check(posted, now=NOW + datetime.timedelta(seconds=seconds))


def test_a_window_can_be_shorter(posted):
    check(posted, now=NOW + MINUTE, window=2 * MINUTE)
    with pytest.raises(sigv4.RequestExpired):
        check(posted, now=NOW + 3 * MINUTE, window=2 * MINUTE)


def test_an_old_request_with_a_wrong_signature_is_not_called_expired(posted):
    refused({**posted, "signature": "0" * 64}, now=NOW + 60 * MINUTE)


def test_a_presigned_url_dies_when_it_says_and_never_later_than_the_window():
    short = document(sign("GET", presigned=True, expires=60))
    check(short, now=NOW + MINUTE)
    with pytest.raises(sigv4.RequestExpired):
        check(short, now=NOW + 1.1 * MINUTE)
    long = document(sign("GET", presigned=True, expires=604_800))
    check(long, now=NOW + 15 * MINUTE)
    with pytest.raises(sigv4.RequestExpired):
        check(long, now=NOW + 16 * MINUTE)


@pytest.mark.parametrize("name", ["X-Amz-Expires", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Credential"])
def test_a_presigned_url_needs_all_its_parts_once(presigned, name):
    check(presigned)
    refused({**presigned, "params": {k: v for k, v in presigned["params"].items() if k != name}})
    value = presigned["params"][name]
    refused({**presigned, "params": {**presigned["params"], name: [value, value]}})


def test_the_life_of_a_presigned_url_cannot_be_changed(presigned):
    refused({**presigned, "params": {**presigned["params"], "X-Amz-Expires": "601"}})


def test_region_and_service_are_checked_where_the_cloud_names_its_own(posted):
    check(posted, regions={"RegionOne"}, services={"ec2"})
    refused(posted, regions={"RegionTwo"})
    refused(posted, services={"s3"})


def test_a_scope_without_a_region_or_of_another_day_is_refused(posted):
    for old, new in [
        ("RegionOne", ""),
        ("20260203", "20260204"),
        ("aws4_request", "aws5_request"),
        ("/ec2/", "/"),
    ]:
        authorization = posted["headers"]["Authorization"].replace(old, new)
        refused({**posted, "headers": {**posted["headers"], "Authorization": authorization}})


def test_another_secret_and_another_access_key_are_refused(posted):
    refused(posted, secret=SECRET[:-1])
    refused({**posted, "access": "AKIDOTHER"})


@pytest.mark.parametrize("unsigned", ["host", "x-amz-date"])
def test_host_and_date_must_be_signed(unsigned, monkeypatch):
    """Signed rightly by one who knows the secret, so that only the rule can refuse it."""
    to_sign = botocore.auth.SigV4Auth.headers_to_sign

    def all_but_one(signer, request):
        headers = to_sign(signer, request)
        del headers[unsigned]
        return headers

    request = sign(body=BODY, headers={"Content-Type": FORM})
    check(document(request, BODY))
    monkeypatch.setattr(botocore.auth.SigV4Auth, "headers_to_sign", all_but_one)
    credentials = document(sign(body=BODY, headers={"Content-Type": FORM}), BODY)
    with pytest.raises(sigv4.SignatureMismatch) as caught:
        check(credentials)
    assert "not signed" in caught.value.fields["reason"]


def test_an_amazon_header_that_was_not_signed_is_refused(posted):
    refused({**posted, "headers": {**posted["headers"], "X-Amz-Target": "x"}})


@pytest.mark.parametrize("name", ["X-Amz-Date", "Host", "Content-Type"])
def test_a_signed_header_that_is_missing_is_refused(posted, name):
    headers = {key: value for key, value in posted["headers"].items() if key != name}
    if name == "Host":  # then it is the host of the document
        check({**posted, "headers": headers})
        refused({**posted, "headers": headers, "host": "other"})
    else:
        refused({**posted, "headers": headers})


@pytest.mark.parametrize("payload", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", None, "0" * 63])
def test_an_unsigned_payload_is_refused(posted, payload):
    refused({**posted, "body_hash": payload})


def test_a_payload_that_the_signer_left_out_is_refused():
    request = sign(body=BODY, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    seen = document(request, BODY)
    refused(seen)
    refused({**seen, "body_hash": "UNSIGNED-PAYLOAD"})
    signed = hashlib.sha256(BODY).hexdigest()
    check(document(sign(body=BODY, headers={"X-Amz-Content-SHA256": signed}), BODY))


def test_another_body_is_refused():
    request = sign(body=BODY)
    refused(document(request, BODY.replace(b"Describe", b"Terminate")))


def test_signature_version_2_is_refused(posted):
    refused({**posted, "params": {"SignatureVersion": "2", "Signature": "x"}, "headers": {"Host": "x"}})
    query = "AWSAccessKeyId=x&SignatureVersion=2&SignatureMethod=HmacSHA256&Signature=x"
    with pytest.raises(sigv4.SignatureMismatch):
        sigv4.from_wsgi({"REQUEST_METHOD": "GET", "QUERY_STRING": query, "HTTP_HOST": "x"}, b"")


def test_parameters_behind_a_signed_post_are_refused_at_the_edge():
    request = environ(sign(body=BODY))
    with pytest.raises(sigv4.SignatureMismatch):
        sigv4.from_wsgi({**request, "QUERY_STRING": "Action=TerminateInstances"}, BODY)


def test_the_form_of_a_post_may_stand_in_params_as_keystones_clients_send_it(posted):
    check({**posted, "params": {"Action": "DescribeInstances", "Version": "2016-11-15"}})


def test_keystones_own_signer_and_this_one_agree(posted):
    ec2_utils = pytest.importorskip("keystoneclient.contrib.ec2.utils")
    assert ec2_utils.Ec2Signer(SECRET).generate(posted) == posted["signature"]


def test_a_request_signed_in_two_places_or_in_none_is_refused(posted, presigned):
    refused({**posted, "params": presigned["params"]})
    refused({**posted, "headers": {"Host": posted["host"]}})


def test_only_what_was_signed_leaves_the_edge():
    seen = {**environ(sign(body=BODY)), "HTTP_COOKIE": "session", "HTTP_X_AUTH_TOKEN": "token"}
    assert {"Cookie", "X-Auth-Token", "User-Agent"}.isdisjoint(sigv4.from_wsgi(seen, BODY)["headers"])


@given(
    broken=st.dictionaries(
        st.sampled_from(["access", "signature", "host", "verb", "path", "params", "headers", "body_hash"]),
        st.none() | st.integers() | st.lists(text) | st.dictionaries(text, st.none() | text) | st.just("\ud800"),
        min_size=1,
    )
)
@settings(max_examples=200, deadline=None)
def test_a_document_of_any_shape_is_refused_and_breaks_nothing(broken):
    good = document(sign(body=BODY), BODY)
    if {**good, **broken} != good and broken != {"params": {}}:
        if set(broken) == {"params"} and isinstance(broken["params"], dict):
            return  # a POST: only the body counts
        refused({**good, **broken})


def by_hand(params=(), names="host;x-amz-date", day="20260203", headers=None):
    """A GET rightly signed by somebody who knows the secret and none of the rules."""
    headers = {"Host": "ec2", "X-Amz-Date": "20260203T040506Z", **(headers or {})}
    lower = {name.lower(): value for name, value in headers.items()}
    body_hash = hashlib.sha256(b"").hexdigest()
    lines = [
        "GET",
        "/",
        encode(sorted(params)),
        *(f"{name}:{lower[name]}" for name in names.split(";")),
        "",
        names,
    ]
    digest = hashlib.sha256("\n".join([*lines, body_hash]).encode()).hexdigest()
    key = f"AWS4{SECRET}".encode()
    for part in (day, "RegionOne", "ec2", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    scope = f"{day}/RegionOne/ec2/aws4_request"
    message = f"AWS4-HMAC-SHA256\n{lower['x-amz-date']}\n{scope}\n{digest}"
    signature = hmac.digest(key, message.encode(), "sha256").hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return {
        "access": ACCESS, "signature": signature, "host": "ec2", "verb": "GET", "path": "/",
        "params": dict(params), "headers": headers, "body_hash": body_hash,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"day": "20260204"}, "not the day of the scope"),
        ({"names": "x-amz-date;host"}, "not in order"),
        ({"names": "host;host;x-amz-date"}, "not in order"),
        ({"params": [("X-Amz-Date", "20260203T040506Z")]}, "in the headers and in the query"),
        ({"params": [("X-Amz-Algorithm", "AWS4-HMAC-SHA256")]}, "signed twice"),
        (
            {
                "headers": {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"},
                "names": "host;x-amz-content-sha256;x-amz-date",
            },
            "the payload is another one",
        ),
    ],
)
def test_a_right_signature_over_what_breaks_a_rule_is_refused(odd, reason):
    check(by_hand())
    with pytest.raises(sigv4.SignatureMismatch) as caught:
        check(by_hand(**odd))
    assert reason in caught.value.fields["reason"]


AWS_DATE = datetime.datetime(2015, 8, 30, 12, 36, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("verb", "params", "headers", "body", "service", "signature"),
    [
        ("GET", {}, {}, b"", "service", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "GET",
            {"Param2": "value2", "Param1": "value1"},
            {},
            b"",
            "service",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        ("POST", {}, {}, b"", "service", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "POST",
            {},
            {"Content-Type": "application/x-www-form-urlencoded"},
            b"Param1=value1",
            "service",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
)
def test_the_published_vectors_pass(verb, params, headers, body, service, signature):
    """get-vanilla, get-vanilla-query-order-key-case, post-vanilla and post-x-www-form-urlencoded."""
    headers = {"Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z", **headers}
    names = ";".join(sorted(name.lower() for name in headers))
    authorization = (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    credentials = {
        "access": "AKIDEXAMPLE",
        "signature": signature,
        "host": "example.amazonaws.com",
        "verb": verb,
        "path": "/",
        "params": params,
        "headers": {**headers, "Authorization": authorization},
        "body_hash": hashlib.sha256(body).hexdigest(),
    }
    check(credentials, now=AWS_DATE)
