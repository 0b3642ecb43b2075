"""`iaas-manage` as a process: how soon it starts, where words go, and that no secret is in what it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures import manage

COMMAND = [sys.executable, "-m", "iaas.cmd.manage.main"]


def run(folder: Path, *words: str, input: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--config-file", str(folder / "iaas.conf"), *words],
        input=input, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "LANG": "C", **env},
    )  # fmt: skip


def test_help_imports_neither_the_database_nor_the_options() -> None:
    code = "import sys; from iaas.cmd.manage.main import cli\ntry: cli(['--help'])\nfinally: print(*sys.modules)"
    env = {name: value for name, value in os.environ.items() if name != "IAAS_RUNTIME"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=env
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert not loaded & {"sqlalchemy", "oslo_config", "alembic", "rich", "cryptography", "eventlet"}


def test_a_cloud_is_set_up_and_looked_at(tmp_path: Path) -> None:
    manage.make(tmp_path)
    assert run(tmp_path, "db", "sync", "--json").returncode == 0
    done = run(tmp_path, "bootstrap", "--password-file", "-", "--json", input="open sesame\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["user"] == "admin"
    assert "sesame" not in done.stdout + done.stderr
    assert {path.name: path.stat().st_mode & 0o077 for path in tmp_path.glob("*.sqlite")} == {
        "controller.sqlite": 0, "identity.sqlite": 0, "image.sqlite": 0,
    }  # fmt: skip
    table = run(tmp_path, "user", "list")
    assert table.stdout.startswith("ID")
    assert "\x1b" not in table.stdout
    assert table.stderr == ""


def test_what_goes_wrong_is_one_sentence_on_standard_error(tmp_path: Path) -> None:
    manage.make(tmp_path)
    done = run(tmp_path, "service", "list", "--json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    unreachable = f"database.url=mysql+pymysql://u:hidden@127.0.0.1:{_closed_port()}/d"
    done = run(tmp_path, "--set", unreachable, "service", "list")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "hidden" not in done.stderr


def _closed_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_the_names_of_commands_and_options(shell: str) -> None:
    done = run(Path("/nowhere"), _IAAS_MANAGE_COMPLETE=f"{shell}_source")
    assert "_IAAS_MANAGE_COMPLETE" in done.stdout
    words = {"COMP_WORDS": "iaas-manage config explain scheduler.d", "COMP_CWORD": "3"}
    if shell == "bash":
        done = run(Path("/nowhere"), _IAAS_MANAGE_COMPLETE="bash_complete", **words)
        assert done.stdout.split() == ["plain,scheduler.disk_ratio", "plain,scheduler.down_after"]
