"""`bus consent` at a counter where others can list the machine's processes."""

import json
from types import TracebackType
from typing import Any, Self

import pytest
from click.testing import CliRunner

from bus.cli import consent as module
from bus.settings import Settings


class Answering:
    """A consent API that repeats whom it was asked about."""

    @classmethod
    def from_settings(cls, _settings: Settings) -> Self:
        return cls()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def standings(self, subject: str) -> list[dict[str, Any]]:
        return [{"asked": subject}]


def test_the_personal_id_need_not_stand_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out, it is asked for, and what is printed for machines stays whole."""
    monkeypatch.setattr(module, "ConsentClient", Answering)
    answer = CliRunner().invoke(module.consent, ["show", "--json"], input="001190000029\n")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout) == [{"asked": "001190000029"}]
