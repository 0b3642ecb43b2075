"""What every daemon refuses before it starts."""

from __future__ import annotations

import pytest

from iaas.cmd import daemon
from iaas.common import conf


def read(path, *words):
    return daemon.settings_of(daemon.options("iaas-x", "x").parse_args(["--config-file", str(path), *words]))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "iaas.conf"
    path.write_text("[queue]\nurl = memory://\n")
    path.chmod(0o640)
    return path


def test_a_file_everybody_may_read_is_refused_with_what_to_type(file):
    file.chmod(0o644)
    with pytest.raises(conf.ConfigError, match="chmod o= "):
        read(file)


def test_a_private_file_is_read_and_changed_by_set(file):
    assert read(file, "--set", "queue.call_timeout=5").queue.call_timeout == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[queue]\nurll = x\n", "did you mean 'url'"),
        ("[quueue]\nurl = x\n", "did you mean 'queue'"),
        ("[queue]\npool_size = many\n", "many"),
        ("[queue]\npool_size = 0\n", "pool_size|equal to 1"),
    ],
)
def test_what_is_misspelt_or_out_of_range_is_refused_and_the_nearest_is_named(file, text, words):
    file.write_text(text)
    with pytest.raises(conf.ConfigError, match=words):
        read(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(conf.ConfigError, match="does not exist"):
        read(tmp_path / "nowhere.conf")
