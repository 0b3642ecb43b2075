"""`iaas-manage`: what holds for every command, and the commands that set a cloud up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from iaas.cmd.manage import samples
from iaas.cmd.manage.main import MODULES, cli
from iaas.common import conf, policy
from iaas.compute import policies as compute_policies
from tests.fixtures.manage import PASSWORD, Manage, _template, empty, manage

__all__ = ["_template", "empty", "manage"]

LISTS = [
    "service list", "host list", "server list", "job list", "user list", "project list", "role list",
    "role assignments", "flavor list", "network list", "config list", "key list", "db version", "db sync",
    "quota show admin",
]  # fmt: skip
SINGLES = [
    "user show admin", "project show admin", "flavor show m1.tiny", "config explain scheduler.policy", "config sample",
    "policy sample", "key rotate", "key create",
]  # fmt: skip


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command there is, by its words."""
    ctx = click.Context(cli)
    for noun in MODULES:
        found = cli.get_command(ctx, noun)
        assert found is not None
        if isinstance(found, click.Group):
            yield from ((f"{noun} {verb}", command) for verb, command in found.commands.items())
        else:
            yield noun, found


@pytest.mark.parametrize("words", [words for words, _ in commands()])
def test_the_help_of_every_command_has_a_sentence_and_an_example_that_names_it(words: str) -> None:
    done = CliRunner().invoke(cli, [*words.split(), "--help"])
    assert done.exit_code == 0, done.output
    assert f"iaas-manage {words}" in done.stdout.partition("Example:")[2]
    assert re.match(r"  [A-Z]\w*\W", done.stdout.partition("Usage:")[2].splitlines()[2])


def test_the_examples_are_commands_with_options_that_exist() -> None:
    for words, command in commands():
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        for line in getattr(command, "example", "").splitlines():
            assert line.startswith(words), line
            used = {word for word in line.split() if word.startswith("--")}
            assert used <= known, line


def test_the_help_of_all_names_each_noun() -> None:
    done = CliRunner().invoke(cli, ["--help"])
    for noun in MODULES:
        assert re.search(rf"^  {noun} ", done.stdout, re.MULTILINE), noun


@pytest.mark.parametrize("words", LISTS)
def test_every_list_prints_json_alone(manage: Manage, words: str) -> None:
    assert isinstance(manage.json(*words.split()), list)
    assert isinstance(json.loads(manage.says("--json", *words.split())), list)


@pytest.mark.parametrize("words", SINGLES)
def test_what_prints_one_thing_prints_one_json_object(manage: Manage, words: str) -> None:
    assert isinstance(manage.json(*words.split()), dict)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("host show nowhere", "no compute host 'nowhere'"),
        ("server show nothing", "no server 'nothing'"),
        ("explain nothing", "no server 'nothing'"),
        ("job show nothing", "no job 'nothing'"),
        ("user show nobody", "no user 'nobody'"),
        ("user delete nobody", "no user 'nobody'"),
        ("user disable nobody", "no user 'nobody'"),
        ("user list --domain nowhere", "no domain 'nowhere'"),
        ("project show none", "no project 'none'"),
        ("project delete none", "no project 'none'"),
        ("quota show none", "no project 'none'"),
        ("quota set admin instanses=3", "did you mean instances?"),
        ("role grant king --user admin --system", "no role 'king'"),
        ("role assignments --group none", "no group 'none'"),
        ("flavor show none", "no flavor 'none'"),
        ("flavor delete none", "no flavor 'none'"),
        ("network create lan --project none", "no project 'none'"),
        ("service enable iaas-compute nowhere", "no service 'iaas-compute on nowhere'"),
        ("service remove iaas-compute nowhere", "no service 'iaas-compute on nowhere'"),
        ("config explain scheduler.polcy", "did you mean scheduler.policy?"),
        ("config explain password_file", "no option"),
        ("config list --group nope", "no group 'nope'"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_in_one_sentence(manage: Manage, words: str, says: str) -> None:
    sentence = manage.refuses(*words.split())
    assert says in sentence
    assert sentence.startswith("iaas-manage: ")
    assert len(sentence.splitlines()) == 1


def test_what_is_written_wrong_ends_with_2(manage: Manage) -> None:
    for words in ("nonsense", "user", "user create", "role grant member --user admin", "quota set admin instances"):
        assert manage.run(*words.split()).exit_code == 2, words


def test_a_database_that_is_not_there_is_not_made_by_looking_and_the_sentence_says_what_to_do(empty: Manage) -> None:
    assert "iaas-manage db sync" in empty.refuses("service", "list")
    assert [row["state"] for row in empty.json("db", "version")] == ["not current"] * 3
    assert list(empty.folder.glob("*.sqlite")) == []


def test_a_database_that_cannot_be_used_is_named_without_its_password(empty: Manage) -> None:
    sentence = empty.refuses("--set", "database.url=nosuch://u:hidden@h/d", "service", "list")
    assert "controller" in sentence
    assert "hidden" not in sentence
    assert "hidden" not in empty.refuses("--set", "database.url=hidden", "service", "list")
    assert "no/such/folder" in empty.refuses("--set", "database.url=sqlite:////no/such/folder/c", "db", "sync")


def test_a_configuration_that_cannot_be_used_is_refused(empty: Manage) -> None:
    assert "scheduler.policy" in empty.refuses("--set", "scheduler.policy=luck", "service", "list")
    (empty.folder / "iaas.conf").write_text("[scheduler]\npolcy = chance\n")
    assert "did you mean 'policy'" in empty.refuses("host", "list")
    (empty.folder / "iaas.conf").write_text("[scheduler]\ndown-after = 7\n")
    assert "did you mean 'down_after'" in empty.refuses("host", "list")
    (empty.folder / "iaas.conf").unlink()
    assert "does not exist" in empty.refuses("host", "list")


def test_sync_brings_the_named_databases_and_says_from_where_to_where(empty: Manage) -> None:
    assert [row["database"] for row in empty.json("db", "sync", "identity")] == ["identity"]
    states = {row["database"]: row["state"] for row in empty.json("db", "version")}
    assert states == {"controller": "not current", "identity": "current", "image": "not current"}
    assert [row["before"] is None for row in empty.json("db", "sync")] == [True, False, True]


# -- bootstrap ---------------------------------------------------------------------------------------------


def test_bootstrap_makes_a_cloud_one_can_log_in_to(manage: Manage) -> None:
    from iaas.common.conf import load
    from iaas.db.identity import users
    from iaas.identity.passwords import Hasher
    from tests.fixtures.manage import CTX

    settings = load([manage.folder / "iaas.conf"])
    with manage.database("identity").read(CTX) as tx:
        found: dict[str, Any] = {name: users.find_named(tx, name, domain_id="default") for name in ("admin", "iaas")}
    hasher = Hasher(8192, 1, 1, 1)
    assert hasher.verify(found["admin"].password_hash, PASSWORD)
    assert hasher.verify(found["iaas"].password_hash, settings.identity.password)
    assert {path.name for path in (manage.folder / "token-keys").iterdir()} == {"0", "1"}
    assert {path.name for path in (manage.folder / "credential-keys").iterdir()} == {"0", "1"}
    assert "m1.small" in [row["name"] for row in manage.json("flavor", "list")]


def test_bootstrap_again_changes_the_password_and_repeats_nothing(manage: Manage) -> None:
    before = {words: manage.json(*words.split()) for words in ("flavor list", "project list", "role assignments")}
    made = manage.json("bootstrap", "--password-file", "-", "--network", input="another one\n")
    assert made["endpoints"]["compute"] == "http://127.0.0.1:8774/v2.1"
    assert made["user_id"] in [row["id"] for row in manage.json("user", "list")]
    assert before == {words: manage.json(*words.split()) for words in before}
    assert [row["is_default"] for row in manage.json("network", "list")] == [True]
    manage.says("bootstrap", "--password-file", "-", "--network", input="another one\n")
    assert len(manage.json("network", "list")) == 1


def test_bootstrap_says_when_the_services_have_no_user(empty: Manage) -> None:
    empty.says("db", "sync")
    made = empty.json("--set", "identity.password=", "bootstrap", "--password-file", "-", input="x\n")
    assert made["service_user_id"] is None
    assert "[identity] password" in empty.last.stderr


def test_a_password_is_read_from_a_prompt_a_file_or_the_environment_and_never_printed(manage: Manage) -> None:
    kept = manage.folder / "password"
    kept.write_text("from a file\n")
    for option, how in (
        (["--password-prompt"], {"input": "typed one\ntyped one\n"}),
        (["--password-file", str(kept)], {}),
        (["--password-env", "THE_PASSWORD"], {"env": {"THE_PASSWORD": "from the environment"}}),
    ):
        manage.says("user", "set-password", "admin", *option, **how)
        assert not re.search("typed one|from a file|from the env", manage.last.output)
    assert not any("--password" in parameter.opts for _, command in commands() for parameter in command.params)


@pytest.mark.parametrize(
    ("text", "says"), [("", "no password"), ("\n", "no password"), ("two\nlines\n", "more than one line")]
)
def test_a_password_of_no_line_or_two_is_refused(manage: Manage, text: str, says: str) -> None:
    assert says in manage.refuses("user", "set-password", "admin", "--password-file", "-", input=text)


@pytest.mark.parametrize("words", ["trace", "server show", "user show", "--config-file", "nosuch", "host list --json"])
def test_an_argument_that_is_not_utf_8_is_said_in_a_sentence(manage, words):
    sentence = manage.refuses(*words.split(), "x\udcff", code=2)
    assert sentence == "iaas-manage: 'x\\xff' is not UTF-8 text, as all arguments must be.\n"


def test_a_password_that_is_not_utf_8_is_said_in_a_sentence(manage):
    by = ("user", "set-password", "admin", "--password-env", "PASSWORD")
    sentence = manage.refuses(*by, env={"PASSWORD": "long enough\udcff"})
    assert sentence == "iaas-manage: The password in the environment variable PASSWORD is not UTF-8 text.\n"


def test_a_password_that_is_nowhere_is_a_mistake_in_the_command(manage: Manage) -> None:
    assert "--password-file" in manage.refuses("user", "set-password", "admin", code=2)
    both = ("--password-env", "A", "--password-file", "-")
    assert "one of" in manage.refuses("user", "set-password", "admin", *both, code=2)
    assert "variable NOT_THERE" in manage.refuses("user", "set-password", "admin", "--password-env", "NOT_THERE")
    assert "No such file" in manage.refuses("user", "set-password", "admin", "--password-file", "/no/such/file")


# -- options and samples -----------------------------------------------------------------------------------


def test_an_option_is_explained_with_its_value_and_what_set_it(empty: Manage) -> None:
    facts = empty.json("config", "explain", "down_after")
    assert facts == {
        "option": "scheduler.down_after", "help": "Seconds without a heartbeat before a host is down.",
        "type": "number", "range": "2 to 3600", "default": 60.0, "value": 60.0, "source": "default", "secret": False,
    }  # fmt: skip
    other = empty.folder / "other.conf"
    other.write_text("[scheduler]\ndown_after = 7\n")
    facts = empty.json("--config-file", str(other), "config", "explain", "scheduler.down-after")
    assert (facts["value"], facts["source"]) == (7.0, str(other))
    facts = empty.json("--set", "scheduler.down_after=9", "config", "explain", "scheduler.down_after")
    assert (facts["value"], facts["source"]) == (9.0, "--set")


def test_an_option_of_several_groups_must_be_named_in_full(empty: Manage) -> None:
    sentence = empty.refuses("config", "explain", "cache_seconds")
    assert "identity.cache_seconds" in sentence
    assert "image.cache_seconds" in sentence


def test_secrets_are_not_shown(empty: Manage) -> None:
    for words in (["config", "explain", "identity.password"], ["config", "list"], ["config", "list", "--json"]):
        assert "of-the-services" not in empty.says(*words)
    assert empty.json("config", "explain", "identity.password")["value"] == "(secret)"


def test_the_list_of_what_is_changed_has_what_the_file_sets(empty: Manage) -> None:
    rows = empty.json("config", "list", "--changed", "--group", "identity")
    assert {row["option"]: row["value"] for row in rows}["identity.argon2_time"] == 1
    assert {row["source"] for row in rows} == {str(empty.folder / "iaas.conf")}


def test_the_sample_configuration_has_every_option_and_changes_nothing(empty: Manage, tmp_path: Path) -> None:
    text = empty.says("config", "sample")
    file = tmp_path / "sample.conf"
    file.write_text(text)
    assert conf.load([file]) == conf.load()
    file.write_text(re.sub(r"^#(\w+ =)", r"\1", text, flags=re.MULTILINE))
    assert conf.load([file]) == conf.load()
    for group, found in conf.groups().items():
        section = text.partition(f"\n[{group}]\n")[2].partition("\n[")[0]
        assert [option.dest for option in found] == re.findall(r"^#(\w+) =", section, re.MULTILINE)


def test_the_sample_policy_has_every_rule_at_its_default_and_is_accepted(empty: Manage, tmp_path: Path) -> None:
    text = re.sub(r'^#(")', r"\1", empty.says("policy", "sample"), flags=re.MULTILINE)
    rules = yaml.safe_load(text)
    tables = samples.rule_tables()
    assert rules == {name: check for table in tables.values() for name, check in table.items()}
    assert compute_policies.RULES.items() <= rules.items()
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    policy.Policy(tables.values(), str(file))


# -- keys and the shell ------------------------------------------------------------------------------------


def test_rotating_makes_the_staged_key_the_primary_one(manage: Manage) -> None:
    staged = (manage.folder / "token-keys" / "0").read_bytes()
    assert manage.json("key", "rotate")["primary"] == 2
    assert (manage.folder / "token-keys" / "2").read_bytes() == staged
    shown = manage.says("key", "list")
    assert [line.split()[:2] for line in shown.splitlines()[2:]] == [
        ["0", "staged"], ["1", "secondary"], ["2", "primary"],
    ]  # fmt: skip
    assert staged.decode() not in shown


def test_keys_that_the_service_could_not_read_are_not_made(manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: (manage.folder / "token-keys").stat().st_uid + 1)
    assert "sudo -u" in manage.refuses("key", "rotate")
    assert "sudo -u" in manage.refuses("key", "create")
    assert "sudo -u" in manage.refuses("bootstrap", "--password-file", "-", input="x\n")
    assert {path.name for path in (manage.folder / "token-keys").iterdir()} == {"0", "1"}


def test_keys_that_are_not_there_are_not_rotated(empty: Manage) -> None:
    assert "iaas-manage key create" in empty.refuses("key", "rotate")


def test_the_shell_knows_the_databases_the_tables_and_the_options(manage: Manage) -> None:
    lines = [
        "print(settings.scheduler.policy, ctx.is_admin)",
        "with db.read(ctx) as tx: print(len(tx.all(models.instances.flavors.select())))",
        "",
        "with identity_db.read(ctx) as tx: print(len(tx.all(models.identity.users.select())))",
        "",
    ]
    shown = manage.says("shell", input="\n".join(lines) + "\n")
    assert "filter True" in shown
    assert re.search(r"^.*\b7$", shown, re.MULTILINE)
    assert re.search(r"^.*\b2$", shown, re.MULTILINE)
    assert manage.run("--json", "shell").exit_code == 2
