"""The guide for policy staff: its commands are run and give what it shows; its tables are those of the code."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic.fields import FieldInfo

from bus.agreements.document import AgreementDocument, TransformKind
from bus.cli.agreement import agreement
from bus.model.reasons import Reason
from tests.unit.agreements.ground import SEEDS

GUIDE = (SEEDS / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def answer(command: str) -> str:
    """What a command of the guide prints."""
    words = shlex.split(command)
    assert words[:2] == ["bus", "agreement"]
    return CliRunner(env={"LC_ALL": "C.UTF-8"}).invoke(agreement, words[2:]).output.rstrip()


def test_the_guide_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who follows the guide, command by command, sees what it shows, and ends with a sound agreement.

    `…` stands for what differs from place to place. What needs a bus is followed in `tests/broker/test_guide.py`.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "home"))
    last = ""
    for kind, text in BLOCK.findall(GUIDE.partition("## 6.")[0]):
        if kind == "yaml":
            name = text.splitlines()[0].removeprefix("# file: ")
            Path(name).write_text(text, encoding="utf-8")
        else:
            command, _, shown = text.partition("\n")
            last = answer(command.removeprefix("$ "))
            given = "\n".join(line.rstrip() for line in last.splitlines())
            assert re.fullmatch(re.escape(shown.rstrip()).replace("…", r"[^\n]+"), given), (command, given)
    assert "withheld: outside-filter. The record is outside the agreement's filter." in last


def key_row(name: str, field: FieldInfo) -> str:
    extra: Any = field.json_schema_extra
    says = {"enforced": "enforces it", "obligation": "carries it as an obligation", "shown": "shows it"}
    due = "" if field.is_required() else " (optional)"
    return f"| `{field.alias or name}`{due} | {field.description} | {says[extra['mark']]} |"


def test_the_tables_are_those_of_the_code() -> None:
    """The guide lists every key with its mark, every transform, and every reason with its meaning."""
    for name, field in AgreementDocument.model_fields.items():
        assert key_row(name, field) in GUIDE
    for kind in TransformKind:
        assert f"`{kind.value}`" in GUIDE or f"`{{{kind.value}:" in GUIDE
    for reason in Reason:
        assert f"| `{reason.value}` | {reason.meaning} | {reason.remedy} | {reason.held.value} |" in GUIDE
