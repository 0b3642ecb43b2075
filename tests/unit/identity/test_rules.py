"""Access rules."""

from __future__ import annotations

import pytest

from iaas.identity import rules


def permits(path, rule="/v2.1/servers", method="GET", service="compute", asked="compute"):
    token = {"application_credential": {"access_rules": [{"service": asked, "method": "GET", "path": rule}]}}
    environ = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "iaas.service": service}
    return rules.permits(token, environ)


@pytest.mark.parametrize(
    ("rule", "path", "good"),
    [
        ("/v2.1/servers", "/v2.1/servers", True),
        ("/v2.1/servers", "/v2.1/servers/1", False),
        ("/v2.1/servers/*/ips", "/v2.1/servers/1/ips", True),
        ("/v2.1/servers/*/ips", "/v2.1/servers/1/2/ips", False),
        ("/v2.1/servers/{id}", "/v2.1/servers/1", True),
        ("/v2.1/servers/{id}", "/v2.1/servers/", False),
        ("/v2.1/**", "/v2.1/servers/1/ips", True),
        ("/v2.1/**", "/v2/servers", False),
        ("/v2.1/se.vers", "/v2.1/servers", False),
        ("/(a+)+$", "/aaaa", False),
    ],
)
def test_paths(rule, path, good):
    assert permits(path, rule) is good


def test_the_method_and_the_service_count():
    assert not permits("/v2.1/servers", method="POST")
    assert not permits("/v2.1/servers", service="volume")
    assert not permits("/v2.1/servers", service="")
    assert permits("/v2.1/servers", service="volume", asked="block-storage")


def test_t25_a_pattern_takes_linear_time():
    assert not permits("/" + "a" * 5000, "/" + "*a" * 120 + "b")


def test_a_token_without_rules_is_for_everything_and_one_with_none_for_nothing():
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "iaas.service": "compute"}
    assert rules.permits({}, environ)
    assert rules.permits({"application_credential": {"id": "x"}}, environ)
    assert not rules.permits({"application_credential": {"access_rules": []}}, environ)
