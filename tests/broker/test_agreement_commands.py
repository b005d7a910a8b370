"""An agreement from its first text to its end by the commands that policy staff use, on a real bus."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bus.agreements.document import revision
from bus.cli import cli
from bus.errors import StepRefused, WrongUse
from bus.register.state import Standing
from bus.wiring import environment
from tests.broker.conftest import ROOT, SmallBus

pytestmark = pytest.mark.broker

TAX = "person-to-tax"
WHY = ("--reason", "a test")


@pytest.fixture
def staff(small_bus: SmallBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desk of policy staff: a folder with one text, and a bus to talk to."""
    for name, value in environment(small_bus.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "seeds/agreements" / f"{TAX}.yaml").read_text(encoding="utf-8")
    Path(f"{TAX}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def written(name: str, text: str) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def changed(name: str, old: str, new: str) -> None:
    text = Path(name).read_text(encoding="utf-8")
    assert old in text
    written(name, text.replace(old, new))


async def run(*words: str) -> Result:
    """A command, in a thread of its own: it has its own loop."""
    return await asyncio.to_thread(CliRunner().invoke, cli, list(words))


async def done(*words: str) -> str:
    answer = await run(*words)
    assert answer.exit_code == 0, (words, answer.output, answer.exception)
    return answer.output


async def revision_of(name: str) -> str:
    """The revision of the text in a file."""
    return str(json.loads((await run("agreement", "show", name, "--json")).stdout)["revision"])


async def refused(*words: str) -> str:
    answer = await run(*words)
    assert isinstance(answer.exception, StepRefused), (words, answer.output)
    assert answer.exception.exit_code == 3
    return "\n".join(answer.exception.lines)


async def make_keys() -> None:
    """Keys of two offices of the recipient and of one of the registry, each in a file."""
    for name, agency, role in (
        ("desk", "tax-authority", "recipient"),
        ("boss", "tax-authority", "recipient"),
        ("police", "public-security", "registry"),
    ):
        made = await done("key", "new", name, "--holder", name, "--agency", agency, "--role", role)
        written(f"{name}.json", made)


async def test_a_life_by_commands(small_bus: SmallBus, staff: Path) -> None:
    """Handed in, approved by two others, activated, changed, suspended, ended; each shortcut is refused in words."""
    bus = small_bus
    await bus.registrar.enrol_agencies(bus.agencies)
    await make_keys()
    await done("key", "add", "desk.json")
    await done("key", "add", "police.json")
    written(
        "typo.json",
        await done("key", "new", "typo", "--holder", "x", "--agency", "tax-autority", "--role", "recipient"),
    )
    answer = await run("key", "add", "typo.json")
    assert str(answer.exception) == "there is no agency named tax-autority"
    told = await refused("key", "add", "boss.json")
    assert "each further one, signed with one of its own (--as)" in told
    assert "`bus key list`" in told  # there is no agreement of the key's name, to look at the history of
    await done("key", "add", "boss.json", "--as", "desk")
    assert (await done("key", "list")).count("*") == 4

    assert "receives" in await done("agreement", "submit", f"{TAX}.yaml", "--as", "desk", *WHY)
    read = revision(bus.documents[TAX])
    unread = await run("agreement", "approve", TAX, "--as", "boss", *WHY)
    assert isinstance(unread.exception, WrongUse)
    assert f"--revision {read}" in unread.exception.how_to_mend
    written(f"read/{TAX}.yaml", (await run("agreement", "text", TAX)).stdout)
    assert await revision_of(f"read/{TAX}.yaml") == read
    approve = ("agreement", "approve", TAX, *WHY, "--revision")
    assert "nobody approves what they wrote" in await refused(*approve, read, "--as", "desk")
    assert "no such text is under way" in await refused(*approve, "0123456789abcdef", "--as", "boss")
    await done(*approve, read, "--as", "boss")
    assert "both sides must approve" in await refused("agreement", "activate", TAX, *WHY)
    await done(*approve, read, "--as", "police")
    assert TAX in await done("agreement", "activate", "--due", *WHY)
    assert (await bus.registrar.state()).agreements[TAX].standing is Standing.ACTIVE

    assert "the file has the same text" in await done("agreement", "list", ".")

    changed(f"{TAX}.yaml", "from: 2026-01-01", "from: 2035-01-01")
    assert "the file's text is another" in await done("agreement", "show", f"{TAX}.yaml")
    await done("agreement", "submit", f"{TAX}.yaml", "--as", "desk", *WHY)
    for office in ("boss", "police"):
        await done(*approve, await revision_of(f"{TAX}.yaml"), "--as", office)
    assert "takes over on its first day (2035-01-01)" in await done("agreement", "activate", TAX, *WHY)
    assert "activated already" in await refused("agreement", "activate", TAX, *WHY)

    await done("agreement", "suspend", TAX, "--as", "police", *WHY)
    assert "each side lifts its own" in await refused("agreement", "resume", TAX, *WHY)
    vietnamese = await refused("agreement", "resume", TAX, *WHY, "--lang", "vi")
    assert "mỗi bên chỉ gỡ" in vietnamese
    await done("agreement", "resume", TAX, "--as", "police", *WHY)
    await done("agreement", "end", TAX, *WHY)
    [listed] = json.loads((await run("agreement", "list", ".", "--json")).stdout)
    assert (listed["bus"]["standing"], listed["bus"]["text"]) == ("ended", "edited")
    told = await done("agreement", "history", TAX)
    text_in_force = ["drafted", "handed", "approved", "approved", "activated"]
    steps = [line.split()[1] for line in told.splitlines()[:-1]]
    assert steps == [*text_in_force, *text_in_force, "suspended", "resumed", "ended"]
    assert told.splitlines()[-1].endswith("ended")


async def test_diff_against_what_is_in_force(small_bus: SmallBus, staff: Path) -> None:
    """A changed text is compared with the one in force: the meaning first, then the lines."""
    await small_bus.activate(TAX)
    assert await done("agreement", "diff", f"{TAX}.yaml") == "no difference in meaning\n"
    changed(f"{TAX}.yaml", "retention: P5Y", "retention: P6Y")
    answer = await run("agreement", "diff", f"{TAX}.yaml")
    assert answer.exit_code == 1, answer.output
    assert answer.output.startswith("• retention: P5Y → P6Y\n")
    assert "-retention: P5Y\n+retention: P6Y" in answer.output
