"""Where a process finds Kafka, the schema registry and PostgreSQL: the user's own, or what runs in the home."""

from bus.errors import KafkaUnreachable, PostgresUnreachable, SchemaRegistryUnreachable, SettingMissing
from bus.kafka.access import KafkaAccess
from bus.platform import kafka, postgres
from bus.platform.home import Home
from bus.platform.ports import LOOPBACK, address
from bus.platform.records import recorded
from bus.settings import KafkaSettings, Settings
from bus.topics import Topics

SCHEMA_REGISTRY = "schema-registry"


def kafka_access(settings: Settings, kafka_settings: KafkaSettings, home: Home, user: str) -> KafkaAccess:
    """The broker as `user` of this bus, `route` or `connector-land`; its name there begins with the bus's prefix.

    On the user's own broker the bus has users of its own where it made them (SCRAM, and rights not switched off);
    otherwise everybody is who BUS_KAFKA_USERNAME says. Raises KafkaUnreachable when nothing is named and nothing runs,
    SettingMissing, SettingWrong.
    """
    name = user if user == kafka.ADMIN else Topics(settings.prefix, settings.lanes).user(user)
    if settings.kafka:
        return _own_broker(settings.kafka, kafka_settings, home, user, name)
    found = home.endpoint(kafka.NAME)
    if found is None:
        raise KafkaUnreachable(bootstrap=LOOPBACK, reason=why_absent(home, kafka.NAME))
    return kafka.local_access(home, found["port"], user, name)


def schema_registry_url(settings: Settings, home: Home) -> str:
    """BUS_SCHEMA_REGISTRY, or the one that runs in the home. Raises SchemaRegistryUnreachable."""
    if settings.schema_registry:
        return settings.schema_registry
    found = home.endpoint(SCHEMA_REGISTRY)
    if found is None:
        raise SchemaRegistryUnreachable(url=f"http://{LOOPBACK}", reason=why_absent(home, SCHEMA_REGISTRY))
    return f"http://{address(found)}"


def postgres_dsn(settings: Settings, home: Home) -> str:
    """BUS_POSTGRES, or the superuser of the one that runs in the home. Raises PostgresUnreachable."""
    if settings.postgres:
        return settings.postgres
    found = home.endpoint(postgres.NAME)
    if found is None:
        raise PostgresUnreachable(reason=why_absent(home, postgres.NAME))
    return postgres.local_dsn(home, found["port"])


def why_absent(home: Home, name: str) -> str:
    """Why a home does not say where a process is: it was never started there, or is on its way, as after a death."""
    coming = any(record.name == name and record.process() for record in recorded(home))
    return f"it is starting in {home.path}" if coming else f"none was started in {home.path}"


def _own_broker(bootstrap: str, given: KafkaSettings, home: Home, user: str, name: str) -> KafkaAccess:
    by_sasl = given.security_protocol.startswith("SASL")
    access = KafkaAccess(
        bootstrap,
        given.security_protocol,
        given.sasl_mechanism if by_sasl else None,
        given.username if by_sasl else None,
        given.password.get_secret_value() if by_sasl and given.password else None,
        given.ca_file,
        given.certificate_file,
        given.key_file,
        given.rights,
    )
    access.require_files()
    of_the_bus = user != kafka.ADMIN and access.knows_users_of_the_bus
    if of_the_bus and home.has_secret(f"users/{user}"):
        return access.as_user(name, home.secret(f"users/{user}"))
    for word in ("username", "password"):
        if by_sasl and not getattr(access, word):
            raise SettingMissing(
                variable=f"BUS_KAFKA_{word.upper()}",
                why=f"{given.security_protocol} needs it where BUS_HOME has no password of the user {user}",
                meaning=KafkaSettings.model_fields[word].description,
            )
    return access
