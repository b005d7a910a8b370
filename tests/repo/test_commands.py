"""Every command of `bus` can be asked for help, and the help says something."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bus.cli import COMMANDS, cli
from bus.errors import ConnectorSettingMissing
from bus.telemetry import Event
from tests.repo.tree import ROOT, named, tracked


def commands(group: click.Group, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command below a group, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"the command {name} is listed and cannot be had"
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *words, name)


ALL = list(commands(cli))


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) for words, _ in ALL])
def test_a_command_explains_itself(words: tuple[str, ...], command: click.Command) -> None:
    """`--help` must work on every command without a bus, say what it does in sentences, and explain every option."""
    answer = CliRunner().invoke(cli, [*words, "--help"])
    assert answer.exit_code == 0, answer.output
    assert command.help
    first = command.help.strip().split("\n\n")[0]
    assert first[0].isupper()
    assert first.endswith((".", ":")), first
    unexplained = [one.opts for one in command.params if isinstance(one, click.Option) and not one.help]
    assert unexplained == []


def test_the_first_help_lists_every_command() -> None:
    """`bus --help` must show each command with its line, and import none of them to do so."""
    answer = CliRunner().invoke(cli, ["--help"])
    assert answer.exit_code == 0
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in answer.output
        assert line in " ".join(answer.output.split())
        assert line.endswith(".")


def test_a_misspelt_command_is_wrong_use() -> None:
    """A word that is no command must end with click's exit code for wrong use, and not with a traceback."""
    answer = CliRunner().invoke(cli, ["upp"])
    assert answer.exit_code == 2
    assert "No such command" in answer.output


def test_a_stage_that_fails_says_so_in_its_log(tmp_path: Path) -> None:
    """The end of a stage because of an error must be an event in its log, with the remedy, before the two lines."""
    words = [sys.executable, "-m", "bus", "serve", "connector", "population"]
    ended = subprocess.run(
        words, env={"BUS_HOME": str(tmp_path)}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == ConnectorSettingMissing.exit_code
    event, *told = ended.stderr.splitlines()
    assert json.loads(event)["event"] == Event.PROCESS_FAILED.value
    assert [line.partition(":")[0] for line in told] == ["error", "remedy"]
    assert told[1] == f"remedy: {json.loads(event)['remedy']}"


def test_a_stage_that_fails_repeats_no_value(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An error that nobody foresaw ends a stage with its kind and place in the log, and without its text."""

    def failing(_settings: object) -> None:
        raise LookupError("001190000029")

    monkeypatch.setattr("bus.citizen.server.run", failing)
    answer = CliRunner().invoke(cli, ["serve", "citizen"])
    told = "".join(capfd.readouterr()) + answer.output
    assert isinstance(answer.exception, SystemExit)
    assert answer.exit_code == 1
    assert "LookupError" in told
    assert "test_commands.py:" in told
    assert "001190000029" not in told


def test_commands_that_texts_name_exist() -> None:
    """A remedy, a help text or a README that says `bus X` must name a command that can be called."""
    known = {words for words, _ in ALL}
    groups = {words for words, command in ALL if isinstance(command, click.Group)}
    strangers = set()
    for path in tracked():
        if path.suffix not in {".md", ".py"} or path == Path(__file__):
            continue
        for named_words in re.findall(r"`bus ([a-z]+(?: [a-z][a-z-]+)?)", path.read_text(encoding="utf-8")):
            words = tuple(named_words.split())
            if words[:1] not in known or (words[:1] in groups and len(words) > 1 and words not in known):
                strangers.add(f"{named(path)}: bus {named_words}")
    assert strangers == set()
