"""compose.yaml, as far as it can be checked without a container engine."""

import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bus import wiring
from bus.platform.jars import KAFKA_VERSION

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    compose: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
    return dict(compose["services"])


def images(services: dict[str, dict[str, Any]]) -> Iterator[str]:
    for service in services.values():
        yield service["image"]
        for line in service.get("build", {}).get("dockerfile_inline", "").splitlines():
            if line.startswith("FROM "):
                yield line.split()[1]


def test_every_image_has_a_version(services: dict[str, dict[str, Any]]) -> None:
    """No image may be `latest` or without a tag: what runs tomorrow must be what was checked today."""
    for image in images(services):
        name, _, tag = image.partition(":")
        assert name
        assert any(character.isdigit() for character in tag), f"{image} names no version"
        assert "latest" not in tag


def test_the_broker_is_the_version_that_the_tests_run_on(services: dict[str, dict[str, Any]]) -> None:
    """Kafka in a container must be the release of the pinned jars."""
    assert services["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_ports_are_published_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
    """No service may be reachable from other machines without its operator's doing."""
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_service_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    """Each must say whether it works, for the others wait for that."""
    assert [name for name, service in services.items() if not service.get("healthcheck", {}).get("test")] == []


def test_every_stage_is_a_service_with_its_own_command(services: dict[str, dict[str, Any]]) -> None:
    """Each stage that `bus up` starts must be a service, started by the same words; Apicurio serves the schemas."""
    connectors = [wiring.connector_stage(entry.name) for entry in entry_points(group="bus.connectors")]
    assert len(connectors) == 4
    for stage in (wiring.CITIZEN, wiring.ROUTE, *connectors):
        assert tuple(services[stage.name]["command"]) == stage.words
        assert services[stage.name]["healthcheck"]["test"][-1] == stage.name
    assert services[wiring.SCHEMA_REGISTRY.name]["image"].startswith("apicurio/")


def test_one_service_builds_the_image_that_the_others_run(services: dict[str, dict[str, Any]]) -> None:
    """An image must be built by one service and asked of no registry by the rest: builds side by side collide."""
    ours = {name: service for name, service in services.items() if service["image"].startswith("national-data-bus:")}
    assert [name for name, service in services.items() if "build" in service] == ["found"]
    assert len({service["image"] for service in ours.values()}) == 1
    assert [name for name, service in ours.items() if service["pull_policy"] != "never"] == []


def test_only_a_service_that_needs_no_network_again_shares_one(services: dict[str, dict[str, Any]]) -> None:
    """What works on must have a network of its own: Docker leaves it without one when the other container restarts."""
    assert [name for name, service in services.items() if "network_mode" in service] == ["kafka-administrator"]


def test_what_the_country_serves_reaches_other_containers(services: dict[str, dict[str, Any]]) -> None:
    """The country's own systems must be told the name of their service, and connectors reach them by it."""
    assert services["found"]["environment"]["BUS_COUNTRY_HOST"] == "found"


def test_every_container_finds_the_consent_api(services: dict[str, dict[str, Any]]) -> None:
    """`bus consent` must reach the API from each container of the bus: on loopback it is in one of them alone."""
    port = services["citizen"]["environment"]["BUS_CITIZEN_PORT"]
    for name, service in services.items():
        if service["image"].startswith("national-data-bus:"):
            assert service["environment"]["BUS_CITIZEN"] == f"http://citizen:{port}", name


def test_what_git_ignores_stays_out_of_the_image() -> None:
    """What a run leaves behind must not be copied into the image, nor make it anew."""
    ignored, left_out = (
        {line.strip("/") for line in (ROOT / name).read_text("utf-8").splitlines() if line and not line.startswith("#")}
        for name in (".gitignore", ".dockerignore")
    )
    assert sorted(ignored - {name.removeprefix("**/") for name in left_out}) == []


def test_stages_wait_until_the_bus_is_founded(services: dict[str, dict[str, Any]]) -> None:
    """A stage must not start before its topics, its user and its rights are there."""
    for name, service in services.items():
        if "serve" in service.get("command", []):
            assert service["depends_on"] == {"found": {"condition": "service_healthy"}}, name


def test_only_the_founder_is_the_administrator(services: dict[str, dict[str, Any]]) -> None:
    """The administrator's password must reach the broker's own helper and the founder, and no stage."""
    told = {
        name
        for name, service in services.items()
        if any("BUS_KAFKA_PASSWORD" in str(value) for value in service.get("environment", {}).values())
    }
    assert told == {"kafka-administrator", "found"}


def test_no_password_is_written_down(services: dict[str, dict[str, Any]]) -> None:
    """Every password must come from the environment and be asked for when it is missing."""
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert value.startswith("${BUS_"), name
                assert ":?" in value, name


def test_the_passwords_are_for_nobody_else(tmp_path: Path) -> None:
    """The command that writes the passwords, at the top of the file, makes a file that its owner alone may read."""
    first = (ROOT / "compose.yaml").read_text(encoding="utf-8").splitlines()
    (command,) = [line.removeprefix("#   ") for line in first if line.endswith("> .env")]
    told = f"openssl() {{ echo word; }}; {command}"
    subprocess.run(["/bin/sh", "-c", told], cwd=tmp_path, umask=0o022, check=True)
    made = tmp_path / ".env"
    assert made.read_text(encoding="utf-8").count("=word") == 2
    assert made.stat().st_mode & 0o077 == 0
