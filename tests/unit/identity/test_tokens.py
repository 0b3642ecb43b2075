"""The text of tokens."""

from __future__ import annotations

import dataclasses
import string

import pytest

from iaas.identity import keys, tokens
from iaas.identity.tokens import BadToken, Codec, Token

UUID = "0123456789abcdef0123456789abcdef"
TOKEN = Token(
    methods=("password", "token"),
    scope=tokens.PROJECT,
    user_id=UUID,
    scope_id=UUID[::-1],
    issued_us=1_790_000_000_123_456,
    expires_us=1_790_003_600_123_456,
    seq=12,
    audit_id=b"a" * 16,
    chain_id=b"c" * 16,
    ancestors=(b"123456", b"abcdef", b"ghijkl"),
)


@pytest.fixture
def codec(tmp_path):
    keys.create(tmp_path)
    return Codec(keys.KeyRing(tmp_path))


@pytest.mark.parametrize(
    "token",
    [
        TOKEN,
        dataclasses.replace(TOKEN, scope=tokens.UNSCOPED, scope_id="", ancestors=()),
        dataclasses.replace(TOKEN, scope=tokens.DOMAIN, scope_id="default"),
        dataclasses.replace(TOKEN, user_id="A" * 31, ancestors=()),
        dataclasses.replace(TOKEN, methods=("ec2credential",), ancestors=(), delegate_id="ab" * 32),
        dataclasses.replace(TOKEN, user_id="cd" * 32, ancestors=()),
    ],
)
def test_a_token_comes_back_as_it_went_and_is_shorter_than_255_characters(codec, token):
    text = codec.encode(token)
    assert len(text) < 255
    assert codec.decode(text) == token


def test_t27_no_changed_text_is_a_token(codec):
    text = codec.encode(TOKEN)
    alphabet = string.ascii_letters + string.digits + "-_"
    changed = {text[:-1], text + "=", text + "A", text + "\n", " " + text, text[1:], text.lower(), text + "=="}
    for place in range(len(text)):
        other = alphabet[(alphabet.index(text[place]) + 1) % len(alphabet)]
        changed.add(text[:place] + other + text[place + 1 :])
        changed.add(text[:place] + "\u00e9" + text[place + 1 :])
        changed.add(text[:place] + "!" + text[place:])
    for wrong in changed - {text}:
        with pytest.raises(BadToken):
            codec.decode(wrong)


def test_a_token_of_another_ring_is_refused(codec, tmp_path):
    keys.create(tmp_path / "other")
    with pytest.raises(BadToken):
        Codec(keys.KeyRing(tmp_path / "other")).decode(codec.encode(TOKEN))


@pytest.mark.parametrize("text", ["", "gAAAAA", "x" * 300, "\u00e9" * 40])
def test_what_is_no_token_is_refused(codec, text):
    with pytest.raises(BadToken):
        codec.decode(text)


def test_audit_ids_show_the_chain_of_a_derived_token_only():
    assert len(TOKEN.audit_ids) == 2
    first = dataclasses.replace(TOKEN, chain_id=TOKEN.audit_id)
    assert len(first.audit_ids) == 1
    assert tokens.audit_bytes(first.audit_ids[0]) == TOKEN.audit_id
