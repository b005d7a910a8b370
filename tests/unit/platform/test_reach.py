"""Where a process finds its servers: the user's own before the local ones, and a clear word when there are none."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from bus.errors import (
    BusError,
    KafkaUnreachable,
    PostgresUnreachable,
    SchemaRegistryUnreachable,
    SettingMissing,
    SettingWrong,
)
from bus.platform.home import Home
from bus.platform.processes import ProcessSpec, Supervisor
from bus.platform.reach import kafka_access, postgres_dsn, schema_registry_url, why_absent
from bus.settings import KafkaSettings, Settings

Shell = Callable[..., ProcessSpec]
LOCAL = Settings(kafka=None, postgres=None, schema_registry=None)
URL = "https://sr.example"
OWN = Settings(kafka="kafka.example:9093", postgres="postgresql://me@db.example/x", schema_registry=URL)
SCRAM = KafkaSettings(
    security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", username="boss", password=SecretStr("of-boss")
)
NOWHERE, HERE = Path("/nowhere/ca.pem"), Path(__file__)


def refusals(home: Home) -> tuple[BusError, BusError, BusError]:
    """What is said of Kafka, PostgreSQL and the schema registry of a home that none of them serves."""
    with pytest.raises(KafkaUnreachable) as kafka:
        kafka_access(LOCAL, KafkaSettings(), home, "route")
    with pytest.raises(PostgresUnreachable) as postgres:
        postgres_dsn(LOCAL, home)
    with pytest.raises(SchemaRegistryUnreachable) as registry:
        schema_registry_url(LOCAL, home)
    return kafka.value, postgres.value, registry.value


def test_the_local_broker_is_reached_as_the_user_of_the_stage(home: Home) -> None:
    """With a broker in the home each stage must come as its own user with its own secret."""
    home.announce("kafka", port=9999)
    access = kafka_access(LOCAL, KafkaSettings(), home, "connector-land")
    assert (access.bootstrap, access.sasl_mechanism) == ("127.0.0.1:9999", "SCRAM-SHA-256")
    assert (access.username, access.password) == ("connector-land", home.secret("users/connector-land"))
    assert access.password != kafka_access(LOCAL, KafkaSettings(), home, "route").password


def test_without_anything_running_the_remedy_names_both_ways(home: Home) -> None:
    """Each of the three must say what does not run, and how to name one's own."""
    kafka, postgres, registry = refusals(home)
    assert "BUS_KAFKA" in kafka.how_to_mend
    assert "BUS_POSTGRES" in postgres.how_to_mend
    assert "BUS_SCHEMA_REGISTRY" in registry.how_to_mend


async def test_a_server_that_is_on_its_way_is_told_as_starting(home: Home, parent: Supervisor, shell: Shell) -> None:
    """One that was started and does not serve yet, as after a death, must not be told as never started."""
    for name in ("kafka", "postgres", "schema-registry"):
        await parent.start(shell(name))
        home.withdraw(name)
    assert {one.details["reason"] for one in refusals(home)} == {f"it is starting in {home.path}"}
    assert why_absent(home, "citizen") == f"none was started in {home.path}"


def test_local_servers_are_found_where_they_announced_themselves(home: Home) -> None:
    """The addresses must hold the announced ports, and the database's the superuser's secret."""
    home.announce("schema-registry", port=8081)
    home.announce("postgres", port=5433)
    assert schema_registry_url(LOCAL, home) == "http://127.0.0.1:8081"
    assert postgres_dsn(LOCAL, home) == f"postgresql://bus:{home.secret('postgres/bus')}@127.0.0.1:5433/postgres"


def test_ones_own_servers_come_before_local_ones(home: Home) -> None:
    """What BUS_… names must be used even while local ones run."""
    for name in ("kafka", "postgres", "schema-registry"):
        home.announce(name, port=1)
    assert kafka_access(OWN, KafkaSettings(), home, "route").bootstrap == "kafka.example:9093"
    assert postgres_dsn(OWN, home) == OWN.postgres
    assert schema_registry_url(OWN, home) == OWN.schema_registry


def test_on_ones_own_scram_broker_a_stage_is_its_own_user_once_that_was_made(home: Home) -> None:
    """Before a user was made the given one is used; afterwards the stage's own, with the same protocol."""
    assert kafka_access(OWN, SCRAM, home, "route").username == "boss"
    secret = home.secret("users/route")
    access = kafka_access(OWN, SCRAM, home, "route")
    assert (access.username, access.password) == ("route", secret)
    assert (access.security_protocol, access.sasl_mechanism) == ("SASL_SSL", "SCRAM-SHA-512")


def test_users_of_a_bus_with_a_prefix_have_it_in_their_names_and_the_administrator_has_not(home: Home) -> None:
    """Two buses on one Kafka must not share a user; the administrator is the Kafka's own, whoever was one at home."""
    for user in ("route", "admin"):
        home.secret(f"users/{user}")
    own, local = (one.model_copy(update={"prefix": "nation."}) for one in (OWN, LOCAL))
    assert kafka_access(own, SCRAM, home, "route").username == "nation.route"
    assert kafka_access(own, SCRAM, home, "admin").username == "boss"
    home.announce("kafka", port=9999)
    assert kafka_access(local, SCRAM, home, "route").username == "nation.route"
    assert kafka_access(local, SCRAM, home, "admin").username == "admin"


@pytest.mark.parametrize(
    "given",
    [
        KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="PLAIN", username="boss", password=SecretStr("x")),
        SCRAM.model_copy(update={"rights": False}),
    ],
    ids=["not scram", "rights switched off"],
)
def test_where_the_bus_makes_no_users_everybody_is_the_given_one(home: Home, given: KafkaSettings) -> None:
    """A left-over secret must not make a stage come as a user whom the broker does not know."""
    home.secret("users/route")
    assert kafka_access(OWN, given, home, "route").username == "boss"


def test_a_broker_without_sasl_gets_no_identity(home: Home) -> None:
    """PLAINTEXT must send no user name, even if one is set."""
    access = kafka_access(OWN, KafkaSettings(username="boss"), home, "route")
    assert not access.has_identity


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_name_or_a_password_that_is_missing_is_told(missing: str, home: Home) -> None:
    """With SASL somebody must log in: as the stage's own user where the home has its password, else as who is named."""
    given = SCRAM.model_copy(update={missing: None})
    with pytest.raises(SettingMissing, match=f"BUS_KAFKA_{missing.upper()} is not set, and SASL_SSL needs it"):
        kafka_access(OWN, given, home, "route")
    home.secret("users/route")
    assert kafka_access(OWN, given, home, "route").username == "route"


@pytest.mark.parametrize(
    ("files", "variable"),
    [
        ({"ca_file": NOWHERE}, "BUS_KAFKA_CA_FILE"),
        ({"ca_file": HERE}, "BUS_KAFKA_CA_FILE"),
        ({"certificate_file": NOWHERE}, "BUS_KAFKA_CERTIFICATE_FILE"),
        ({"certificate_file": HERE}, "BUS_KAFKA_CERTIFICATE_FILE"),
        ({"certificate_file": HERE, "key_file": NOWHERE}, "BUS_KAFKA_KEY_FILE"),
    ],
)
def test_a_file_that_holds_no_certificate_is_told_by_its_variable(
    files: dict[str, Path], variable: str, home: Home
) -> None:
    """A file that is not there and one that holds something else must be told before anybody connects."""
    given = KafkaSettings(security_protocol="SSL").model_copy(update=files)
    with pytest.raises(SettingWrong, match=variable):
        kafka_access(OWN, given, home, "route")
    without = given.model_copy(update={"security_protocol": "PLAINTEXT"})
    assert kafka_access(OWN, without, home, "route").bootstrap == OWN.kafka
