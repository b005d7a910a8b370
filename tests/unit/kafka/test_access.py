"""How a user reaches a broker."""

import asyncio
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from bus.errors import BusError, NoAuthorizer, RightMissing
from bus.kafka import admin as administration
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin


def test_another_user_comes_the_same_way() -> None:
    """All but the name and the password must stay as they are, and the password stay out of sight."""
    boss = KafkaAccess("kafka:1", "SASL_SSL", "SCRAM-SHA-512", "boss", "x", Path("ca.pem"), rights=False)
    other = boss.as_user("route", "hidden")
    assert (other.username, other.password) == ("route", "hidden")
    assert other.as_user("boss", "x") == boss
    assert "hidden" not in repr(other)


@pytest.mark.parametrize(
    ("mechanism", "made"),
    [("SCRAM-SHA-256", ScramMechanism.SCRAM_SHA_256), ("SCRAM-SHA-512", ScramMechanism.SCRAM_SHA_512)],
)
async def test_a_user_is_made_for_the_mechanism_of_who_makes_it(
    mechanism: str, made: ScramMechanism, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that takes SCRAM-SHA-512 alone would never let a user in that has a password for SCRAM-SHA-256."""
    given: list[UserScramCredentialUpsertion] = []

    class Client:
        def __init__(self, _: dict[str, Any]) -> None:
            """Nothing to connect to."""

        def alter_user_scram_credentials(self, listed: list[UserScramCredentialUpsertion]) -> dict[str, Future[None]]:
            given.extend(listed)
            done: Future[None] = Future()
            done.set_result(None)
            return {"route": done}

    monkeypatch.setattr(administration, "AdminClient", Client)
    async with asyncio.timeout(5):
        await Admin(KafkaAccess("kafka:1", "SASL_SSL", mechanism, "boss", "x")).ensure_user("route", "secret")
    assert [(one.user, one.scram_credential_info.mechanism) for one in given] == [("route", made)]


@pytest.mark.parametrize(
    ("code", "taken_for", "told"),
    [
        (
            KafkaError.CLUSTER_AUTHORIZATION_FAILED,
            RightMissing,
            "boss may not set passwords (it lacks Alter on the cluster)",
        ),
        (KafkaError.SECURITY_DISABLED, NoAuthorizer, "has no authorizer"),
    ],
)
async def test_an_administrator_is_told_which_right_is_missing(
    code: int, taken_for: type[BusError], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker's own words name neither what was asked nor the right, and hold its inner addresses."""

    class Client:
        def __init__(self, _: dict[str, Any]) -> None:
            """Nothing to connect to."""

        def alter_user_scram_credentials(self, _: object) -> dict[str, Future[None]]:
            refused: Future[None] = Future()
            refused.set_exception(KafkaException(KafkaError(code, "Request(session=org.apache.kafka.Session@1)")))
            return {"route": refused}

    monkeypatch.setattr(administration, "AdminClient", Client)
    with pytest.raises(taken_for) as raised:
        await Admin(KafkaAccess("kafka:1", "SASL_SSL", "SCRAM-SHA-512", "boss", "x")).ensure_user("route", "secret")
    assert told in str(raised.value)
    assert "Session@" not in " ".join(raised.value.lines)
