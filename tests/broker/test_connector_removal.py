"""A connector is taken down for good, also where its source is gone for good."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from bus.cli import cli
from bus.connect.recall import Reach, read_standing, read_standings
from bus.connect.standing import Standing, to_message
from bus.errors import ConnectorSettingsUnreadable, NoSuchConnector, SourceUnreachable
from bus.kafka.admin import Admin
from bus.model.record import Outgoing
from bus.register.registrar import ConnectorEntry
from bus.topics import COMPACTED, TopicSpec
from bus.wiring import environment
from tests.broker.conftest import SmallBus

pytestmark = pytest.mark.broker

NAME = "population"
WORDS = ["connector", "remove", NAME, "--reason", "the office was closed", "--yes"]
NOBODY = "postgresql://u:hidden@127.0.0.1:1/gone"


async def test_a_connector_whose_source_is_gone_goes_by_force(
    small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without force all stays, to be tried again; with it standing and settings go, and what stays there is told."""
    bus = small_bus
    for variable, text in environment(bus.settings).items():
        monkeypatch.setenv(variable, text)
    settings_file = bus.settings.home_path / "connectors" / f"{NAME}.json"
    settings_file.parent.mkdir(parents=True, exist_ok=True)
    settings_file.write_text(json.dumps({"dsn": NOBODY}))
    value = bus.messages.encode("position", to_message(Standing(NAME, published=7), 0))
    shared = TopicSpec(bus.topics.shared_positions, 1, COMPACTED)
    await Admin(bus.access).ensure_topics([shared, *bus.topics.connector_specs(NAME)])
    for topic in (shared.name, bus.topics.positions(NAME)):
        await bus.publish(Outgoing(topic, 0, NAME.encode(), value))
    reach = Reach(bus.access, bus.client.access, bus.topics)

    refused = await asyncio.to_thread(CliRunner().invoke, cli, WORDS)
    assert isinstance(refused.exception, SourceUnreachable), refused.output
    assert "Connection refused" in str(refused.exception)
    assert "`--force` removes it" in refused.output
    standing = await read_standing(reach, bus.messages, NAME)
    assert standing is not None
    assert standing.published == 7
    assert settings_file.is_file()

    answer = await asyncio.to_thread(CliRunner().invoke, cli, [*WORDS, "--force"])
    assert answer.exit_code == 0, (answer.output, answer.exception)
    removed, left = answer.output.splitlines()
    assert removed == f"removed {NAME}; what it published stays"
    slot = f"bus_{bus.settings.prefix}{NAME}".replace(".", "_").replace("-", "_")[:63]
    assert f"the replication slot {slot}" in left
    assert f"the publication {slot}" in left
    assert "Connection refused" in left
    assert "hidden" not in left
    assert await read_standings(reach, bus.messages, wait=True) == {}
    assert not settings_file.exists()


@pytest.mark.parametrize("name", [NAME, "library"])
async def test_a_connector_goes_by_its_name_alone(
    name: str, small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where settings or folder are gone, force needs the name alone; one that the bus doesn't know is refused."""
    bus = small_bus
    for variable, text in environment(bus.settings).items():
        monkeypatch.setenv(variable, text)
    await bus.registrar.enrol_connectors([ConnectorEntry(name, name, {"dsn": NOBODY})])
    (bus.settings.home_path / "connectors" / f"{name}.json").unlink()
    words = [*WORDS[:2], name, *WORDS[3:]]

    refused = await asyncio.to_thread(CliRunner().invoke, cli, words)
    assert isinstance(refused.exception, ConnectorSettingsUnreadable | NoSuchConnector), refused.output
    assert "`--force` removes it" in refused.output
    assert name in (await bus.registrar.state()).connectors

    answer = await asyncio.to_thread(CliRunner().invoke, cli, [*words, "--force"])
    assert answer.exit_code == 0, (answer.output, answer.exception)
    removed, left = answer.output.splitlines()
    assert removed == f"removed {name}; what it published stays"
    assert ("replication slot" if name == NAME else "whatever it made there") in left
    assert name not in (await bus.registrar.state()).connectors

    again = await asyncio.to_thread(CliRunner().invoke, cli, [*WORDS[:2], "nobody", *WORDS[3:], "--force"])
    assert isinstance(again.exception, NoSuchConnector)
