"""Where `bus country` finds the country."""

from pathlib import Path

import pytest

from bus.cli.country import place_here


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home where nothing runs, and a database elsewhere."""
    monkeypatch.setenv("BUS_HOME", str(tmp_path))
    monkeypatch.setenv("BUS_POSTGRES", "postgresql://bus@db/postgres")


def test_consents_go_where_the_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """With BUS_CITIZEN the day's consents must go there, with the token of that API, though none runs here."""
    assert place_here()[0].citizen_api is None
    monkeypatch.setenv("BUS_CITIZEN", "http://citizen:8085")
    monkeypatch.setenv("BUS_CITIZEN_TOKEN", "theirs")
    place, _ = place_here()
    assert (place.citizen_api, place.citizen_token) == ("http://citizen:8085", "theirs")
