"""What never reaches a log, and what does."""

from __future__ import annotations

import pytest

from iaas.common import fsm, log

TOKEN = "gAAAAA" + "Bq_-" * 20


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("body {'adminPass': 'hunter22'}", "hunter22"),
        ('{"Admin_Pass" : "hunt\\"er22"}', "er22"),
        ("GET /v3?X-Auth-Token=abcdef", "abcdef"),
        ("PASSWORD=hunter22 next", "hunter22"),
        ("os_passwd='hunter22'", "hunter22"),
        ("X-Amz-Signature=0a1b2c", "0a1b2c"),
        ('"user_data": "aGVsbG8="', "aGVsbG8"),
        ("my_secret_key: 'sss111'", "sss111"),
        ("application_credential=xyz9", "xyz9"),
        ('Authorization: "Bearer qwerty"', "qwerty"),
        (f"token {TOKEN} is revoked", TOKEN[6:]),
        ("mysql+pymysql://iaas:hunter22@db/iaas", "hunter22"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END", "MIIE"),
        ("GET /v2.1/os-console-auth-tokens/CeB9lcd8 200", "CeB9lcd8"),
        ("GET /v3/auth/tokens 200 sql=1 my-token_3 = 'abcdef'", "abcdef"),
        ("Zoë's token=abcdef", "abcdef"),
    ],
)
def test_what_looks_like_a_secret_is_not_written(text, secret):
    assert secret in text
    assert secret not in log.redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "compute GET /v2.1/servers/0b0e8f0c 200 0.9 ms sql=1 user=u project=p",
        "identity GET /v3/auth/tokens 200 0.9 ms sql=1 user=u project=p",
        "",
        "a: 'b'",
    ],
)
def test_other_lines_are_as_they_were(text):
    assert log.redact(text) == text


def test_a_machine_of_one_column_finds_its_state_in_rows_and_mappings():
    state = fsm.State(("active",), "ACTIVE", "")
    machine = fsm.Machine("thing", ("status",), [state], [])
    assert machine.state_of({"status": "active"}) is state
    assert machine.state_of(type("Row", (), {"status": "active"})()) is state
