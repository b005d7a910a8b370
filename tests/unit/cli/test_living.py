"""A live table whose bus does not answer."""

import asyncio
import contextlib
import io
from collections.abc import Awaitable, Callable

import pytest
from rich.console import Console

from bus.cli import living
from bus.errors import KafkaUnreachable, TopicForbidden
from bus.kafka.log import KafkaError


async def shown(answers: list[Callable[[], Awaitable[str]]], monkeypatch: pytest.MonkeyPatch) -> str:
    """What was written to the terminal while surveys ended so; then the look is ended, or has failed."""
    monkeypatch.setattr(living, "SILENT_SECONDS", 0.02)
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=250, color_system=None)
    over = asyncio.Event()

    async def survey() -> str:
        if not answers:
            over.set()
            await asyncio.Event().wait()
        return await answers.pop(0)()

    drawing = asyncio.create_task(living.draw_on("first", survey, lambda found: f"drawn {found}", 0.0, console))
    waiting = asyncio.create_task(over.wait())
    await asyncio.wait([drawing, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    drawing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await drawing
    return written.getvalue()


async def quickly() -> str:
    return "second"


async def slowly() -> str:
    await asyncio.sleep(0.05)
    return "third"


@pytest.mark.parametrize("error", [KafkaError("gone"), KafkaUnreachable(bootstrap="there:1", reason="gone")])
async def test_what_was_known_stays(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A survey that fails, or takes long, leaves the last figures with their age, which the next one renews."""

    async def fails() -> str:
        raise error

    written = await shown([quickly, fails, slowly, quickly], monkeypatch)
    steps = ["drawn first", "drawn second", "gone", "Asked again", "grow old", "drawn third", "drawn second"]
    at = -1
    for step in steps:
        at = written.find(step, at + 1)
        assert at >= 0, f"{step!r} is missing in {written!r}"
    assert "grow old" not in written[at:]


async def test_what_cannot_mend_itself_ends_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right that is missing will still be missing: it is told as an error."""

    async def fails() -> str:
        raise TopicForbidden(user="u", topics="t")

    with pytest.raises(TopicForbidden):
        await shown([fails], monkeypatch)
