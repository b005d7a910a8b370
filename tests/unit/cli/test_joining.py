"""How a connector reaches the bus, and as whom `bus connector check` asks it."""

from pathlib import Path

import pytest

from bus.cli.joining import _reach
from bus.connect.process import own_reach
from bus.kafka.rights import connector_user
from bus.platform.home import Home
from bus.settings import Settings

URL = "https://sr.example"
MECHANISMS = {"PLAIN": {}, "SCRAM-SHA-256": {"RIGHTS": "false"}}


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Servers of one's own, and who uses them."""
    given = {"SECURITY_PROTOCOL": "SASL_SSL", "USERNAME": "boss", "PASSWORD": "x"}
    for name, value in given.items():
        monkeypatch.setenv(f"BUS_KAFKA_{name}", value)
    return Settings(kafka="kafka.example:9093", schema_registry=URL, home=tmp_path)


@pytest.mark.parametrize(("mechanism", "further"), MECHANISMS.items())
def test_where_the_bus_makes_no_users_the_given_one_asks(
    foreign: Settings, monkeypatch: pytest.MonkeyPatch, mechanism: str, further: dict[str, str]
) -> None:
    """No home has a password there, and the connector runs as the given user: so the check must ask as that one."""
    for name, value in ({"SASL_MECHANISM": mechanism} | further).items():
        monkeypatch.setenv(f"BUS_KAFKA_{name}", value)
    reach = _reach("land", foreign)
    assert reach is not None
    assert reach.access.username == "boss"


def test_where_the_bus_makes_users_the_connectors_own_asks(foreign: Settings) -> None:
    """Once it is registered it must be asked with the connector's own rights."""
    Home.from_settings(foreign).secret(f"users/{connector_user('land')}")
    reach = _reach("land", foreign)
    assert reach is not None
    assert reach.access.username == connector_user("land")


def test_a_connector_that_the_bus_here_does_not_know_is_not_asked_about(tmp_path: Path) -> None:
    """Neither an unregistered connector nor a bus that is down must be an error, and no password be made for it."""
    here = Settings(kafka=None, schema_registry=None, home=tmp_path)
    home = Home.from_settings(here)
    home.announce("kafka", port=1)
    assert _reach("land", here) is None
    assert not home.has_secret(f"users/{connector_user('land')}")


def test_a_connectors_transactions_are_as_the_setting_says(foreign: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a broker that allows short ones only, a connector must be able to ask for less."""
    found = {}
    for text in ("", "3000"):
        monkeypatch.setenv("BUS_CONNECT_TRANSACTION_TIMEOUT_MS", text)
        found[text] = own_reach("land", foreign).transaction_timeout_ms
    assert found == {"": 10_000, "3000": 3000}
