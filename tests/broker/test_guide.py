"""The guide for policy staff, followed on a real bus: from a preview to the end of an agreement."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from bus.avro.client import value_subject
from bus.avro.codec import encode, parse
from bus.avro.frame import frame
from bus.cli import cli
from bus.register.state import Standing
from bus.wiring import environment
from tests.broker.conftest import ROOT, SmallBus
from tests.broker.test_life import passed

pytestmark = pytest.mark.broker

GUIDE = (ROOT / "seeds/agreements/README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INSURED = tuple(f"0010900000{number:02}" for number in range(8))
NEW = "employment-to-bank"


async def insured(bus: SmallBus) -> None:
    """Eight people with insurance, of whom six are employed."""
    dataset = bus.datasets["insurance.coverage"]
    await bus.registrar.enrol_agencies(bus.agencies)
    await bus.registrar.enrol_datasets([dataset])
    schema_id = await bus.client.register(value_subject(bus.topics.changes(dataset.name)), dataset.schema)
    nothing = dict.fromkeys(one["name"] for one in dataset.schema["fields"])
    records = []
    for number, person in enumerate(INSURED):
        record = nothing | {
            "social_insurance_number": person[2:],
            "personal_id": person,
            "scheme": "VOLUNTARY" if number > 5 else "COMPULSORY",
            "employer": None if number > 5 else "Công ty TNHH Sông Hồng",
            "contribution_base": 9_000_000,
            "covered_from": 20_000,
            "months_paid": 12,
            "pension_state": "NONE",
        }
        records.append(bus.change(dataset.name, person, frame(schema_id, encode(parse(dataset.schema), record))))
    await bus.publish(*records)


def written(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


async def answer(command: str) -> str:
    """What a command of the guide prints, but for what it writes into a file."""
    command, _, file = command.partition(" > ")
    words = shlex.split(command)
    assert words[0] == "bus"
    output = (await asyncio.to_thread(CliRunner().invoke, cli, words[1:])).stdout
    if not file:
        return output
    written(file, output)
    return ""


def shown(text: str) -> list[tuple[str, str]]:
    """The commands of a block, each with what follows it."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def pattern(text: str) -> str:
    """What the guide shows, as a pattern: `…` stands for what differs each time, a moment for instance."""
    lines = (line.rstrip() for line in text.strip("\n").splitlines())
    return re.escape("\n".join(lines)).replace("…", "[^\\n]+")


async def test_the_guide_on_a_real_bus(small_bus: SmallBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who follows the guide on a bus sees what it shows, and takes an agreement through its whole life."""
    bus = small_bus
    for name, value in environment(bus.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.chdir(tmp_path)
    await bus.route()
    await insured(bus)
    await passed(bus)
    for kind, text in BLOCK.findall(GUIDE):
        if kind == "yaml":
            written(text.splitlines()[0].removeprefix("# file: "), text)
    followed = 0
    for kind, text in BLOCK.findall(GUIDE.partition("## 6.")[2]):
        for command, expected in shown(text) if kind == "console" else ():
            got = "\n".join(line.rstrip() for line in (await answer(command)).strip("\n").splitlines())
            assert re.fullmatch(pattern(expected), got), f"$ {command}\n{got}"
            followed += 1
    assert followed > 12
    assert (await bus.registrar.state()).agreements[NEW].standing is Standing.ENDED
    assert (tmp_path / "site" / "en" / f"{NEW}.html").is_file()
