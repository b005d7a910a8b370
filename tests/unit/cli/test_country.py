"""Where `bus country` finds the country."""

from pathlib import Path

import pytest

from bus.cli.country import place_here
from seeds.plugin import PRETEND
from seeds.site import Site


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


def test_systems_of_the_country_listen_on_loopback_until_others_may_reach_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without BUS_COUNTRY_HOST nothing may be open to other machines; with it, connectors must go by that name."""
    alone, _ = place_here()
    assert not any("--everywhere" in process.argv for process in PRETEND.processes(alone))
    assert Site(alone).url("tax").startswith("http://127.0.0.1:")
    monkeypatch.setenv("BUS_COUNTRY_HOST", "found")
    open_to_others, _ = place_here()
    assert all("--everywhere" in process.argv for process in PRETEND.processes(open_to_others))
    assert Site(open_to_others).url("tax").startswith("http://found:")
