"""The broker of compose.yaml without a container: the same settings, on the same Kafka, started here."""

import os
import subprocess
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from ruamel.yaml import YAML

from bus.kafka.access import KafkaAccess
from bus.platform.home import Home
from bus.platform.jars import kafka_jars
from bus.platform.java import find_java
from bus.platform.ports import free_port
from bus.platform.processes import ProcessSpec, Supervisor
from bus.settings import Settings

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"


def properties(environment: dict[str, str]) -> dict[str, str]:
    """What the image makes of its environment: `_` is a dot, `__` an underscore, `___` a hyphen."""

    def property_name(variable: str) -> str:
        words = variable.removeprefix("KAFKA_").lower().replace("___", "-").split("__")
        return "_".join(word.replace("_", ".") for word in words)

    return {property_name(name): value for name, value in environment.items()}


async def test_the_brokers_settings_start_with_identities_and_rights(tmp_path: Path) -> None:
    """With the file's settings a broker must start, take its administrator afterwards, and refuse everybody else."""
    environment = YAML(typ="safe").load(ROOT / "compose.yaml")["services"]["kafka"]["environment"]
    ports = {name: free_port() for name in ("9092", "29092", "19092", "9093")}
    lines = properties(environment)
    for name in ("listeners", "advertised.listeners", "controller.quorum.voters"):
        for inside, here in ports.items():
            lines[name] = lines[name].replace(f":{inside}", f":{here}")
        lines[name] = lines[name].replace("//kafka:", "//127.0.0.1:")
    lines["log.dirs"] = str(tmp_path / "data")
    config = tmp_path / "server.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    java = str(find_java(Settings().java))
    classpath = {"CLASSPATH": ":".join(map(str, kafka_jars(Settings().cache_path)))}

    def tool(*words: str) -> None:
        run = subprocess.run(
            [java, *words], env={**os.environ, **classpath}, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr

    tool("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(config))
    supervisor = Supervisor(Home(tmp_path / "home"))
    try:
        argv = (java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "kafka.Kafka", str(config))
        await supervisor.start(ProcessSpec("kafka", argv, env=classpath, port=ports["9092"], ready_timeout_seconds=90))
        credential = tmp_path / "credential"
        credential.write_text("SCRAM-SHA-256=password=secret\n")
        user = ("--entity-type", "users", "--entity-name", "admin", "--add-config-file", str(credential))
        tool("kafka.admin.ConfigCommand", "--bootstrap-server", f"localhost:{ports['19092']}", "--alter", *user)
        check_rights(f"127.0.0.1:{ports['29092']}")
    finally:
        await supervisor.stop_all()


def check_rights(bootstrap: str) -> None:
    access = KafkaAccess(bootstrap, "SASL_PLAINTEXT", "SCRAM-SHA-256", "admin", "secret")
    admin = AdminClient(access.for_confluent())
    for made in admin.create_topics([NewTopic("x", 1, 1)]).values():
        made.result()
    for stranger in (access.as_user("admin", "guessed"), KafkaAccess(bootstrap)):
        with pytest.raises(KafkaException):
            AdminClient({**stranger.for_confluent(), "log_level": 0}).list_topics(timeout=3)
