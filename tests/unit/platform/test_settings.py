"""Settings that are wrong."""

import pytest

from bus.errors import SettingWrong
from bus.settings import KafkaSettings, Settings


def test_a_wrong_setting_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an environment variable cannot hold is told with its name and what it is for, and its value is not."""
    monkeypatch.setenv("BUS_LANES", "hidden")
    with pytest.raises(SettingWrong) as raised:
        Settings()
    told = " ".join(raised.value.lines)
    assert "BUS_LANES is set to what it cannot be: input should be a valid integer" in told
    assert "partitions of every topic" in told
    assert "hidden" not in told
    monkeypatch.setenv("BUS_KAFKA_SECURITY_PROTOCOL", "hidden")
    with pytest.raises(SettingWrong, match="BUS_KAFKA_SECURITY_PROTOCOL") as raised:
        KafkaSettings()
    assert "hidden" not in " ".join(raised.value.lines)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BUS_KAFKA_SASL_MECHANISM", "SCRAM-SHA512"),
        ("BUS_KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("BUS_KAFKA", "kafka.example"),
        ("BUS_KAFKA", "kafka.example:sasl"),
        ("BUS_KAFKA", "one.example:9092,two.example"),
        ("BUS_KAFKA", "one.example:9092, two.example:9092"),
    ],
)
def test_what_no_client_could_use_is_told_before_one_tries(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mechanism that is misspelt, or an address without a port, must be told by the variable, not by a traceback."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingWrong, match=f"{variable} is set to what it cannot be"):
        KafkaSettings() if "SASL" in variable else Settings()


def test_several_addresses_are_one_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any of them, an IPv6 address too, may be the one that answers."""
    monkeypatch.setenv("BUS_KAFKA", "one.example:9092,[::1]:9093")
    assert Settings().kafka == "one.example:9092,[::1]:9093"


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("BUS_POSTGRES", "hidden"),
        ("BUS_POSTGRES", "postgresql://bus:hid den@db.example/postgres"),
        ("BUS_POSTGRES", "postgresql://bus:hidden@hidden@db.example/postgres"),
        ("BUS_POSTGRES", "postgresql://bus:hidden/hidden@db.example/postgres"),
        ("BUS_POSTGRES", "postgresql://bus:hidden%zz@db.example/postgres"),
        ("BUS_POSTGRES", "postgresql://bus:hidden#hidden@db.example/postgres"),
        ("BUS_POSTGRES", "postgresql://bus:hidden?hidden@db.example/postgres"),
        ("BUS_SCHEMA_REGISTRY", "http://bus:hidden/hidden@registry.example"),
        ("BUS_SCHEMA_REGISTRY", "http://bus:hidden@registry.example:http"),
        ("BUS_CITIZEN", "https://bus:hidden/hidden@consents.example"),
        ("BUS_CITIZEN", "bus:hidden@consents.example"),
    ],
)
def test_an_address_that_would_be_split_within_its_password(
    variable: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that a client would read otherwise than it was meant is refused, for errors would quote a part."""
    monkeypatch.setenv(variable, address)
    with pytest.raises(SettingWrong, match=f"{variable} is set to what it cannot be") as raised:
        Settings()
    assert "hidden" not in " ".join(raised.value.lines)


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("BUS_POSTGRES", "postgresql://bus:a%40b%2Fc!$&'()*+,;=:-._~@db.example:5432/postgres?sslmode=verify-full"),
        ("BUS_POSTGRES", "postgres://bus@[::1]:5432/postgres"),
        ("BUS_POSTGRES", "postgresql://one.example:5432,two.example:5433/postgres"),
        ("BUS_POSTGRES", "postgresql:///postgres?host=/run/postgresql"),
        ("BUS_SCHEMA_REGISTRY", "https://bus:a%40b:c@registry.example:8443/apis/ccompat/v7/"),
        ("BUS_SCHEMA_REGISTRY", "http://[::1]:8081"),
        ("BUS_CITIZEN", "http://localhost:8085"),
    ],
)
def test_an_address_as_it_is_meant(variable: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address that a client reads as it is written can be set."""
    monkeypatch.setenv(variable, address)
    assert address in Settings().model_dump().values()
