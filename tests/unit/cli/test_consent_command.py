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

    def standings(self, subject: str, language: str = "en") -> list[dict[str, Any]]:
        return [
            {"asked": subject, "agreement": name, "standing": standing, "words": f"{name} goes on", "said_in": language}
            for name, standing in (("person-to-tax", "by-law"), ("person-to-portal", "not-consented"))
        ]

    def send(self, acts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"partition": 0, "offset": number} for number in range(len(acts))]

    def until_effective(self, _partition: int, _offset: int, _seconds: float) -> float:
        return 0.01


def test_the_personal_id_need_not_stand_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out, it is asked for, and what is printed for machines stays whole."""
    monkeypatch.setattr(module, "ConsentClient", Answering)
    answer = CliRunner().invoke(module.consent, ["show", "--json"], input="001190000029\n")
    assert answer.exit_code == 0, answer.output
    assert {one["asked"] for one in json.loads(answer.stdout)} == {"001190000029"}


def test_a_withdrawal_that_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever withdraws from what rests on law is told that the data flow on: "effective" alone sounds otherwise."""
    monkeypatch.setattr(module, "ConsentClient", Answering)
    withdraw = ["withdraw", "--subject", "001190000029", "--agreement"]
    assert CliRunner().invoke(module.consent, [*withdraw, "person-to-tax"]).stdout.endswith("person-to-tax goes on\n")
    assert CliRunner().invoke(module.consent, [*withdraw, "person-to-portal"]).stdout.endswith("after 10 ms\n")
