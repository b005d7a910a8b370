"""What the bus makes on a broker for those who take part, by what the administrator may do there."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from bus.errors import UserTaken
from bus.kafka.access import KafkaAccess
from bus.kafka.rights import Right, agency_rights, agency_user
from bus.platform.home import Home
from bus.register import grounds as module
from bus.register.grounds import Grounds
from bus.topics import Topics

TOPICS = Topics("", 8)
AGENCY = agency_user("court")


class Noting:
    """In place of an administration: what it was asked for."""

    def __init__(self, access: KafkaAccess, *, sets_back: bool) -> None:
        self.sets_back = sets_back
        self.access = access
        self.asked: list[str] = []
        self.there: set[str] = set()

    async def users(self, names: Iterable[str]) -> dict[str, object]:
        return {name: () for name in names if name in self.there}

    async def ensure_user(self, name: str, password: str) -> None:
        assert password
        self.asked.append(f"user {name}")

    async def ensure_rights(self, rights: Iterable[Right]) -> None:
        self.asked.append(f"rights {next(iter(rights)).user}")

    async def remove_rights(self, rights: Iterable[Right]) -> None:
        self.asked += [f"no more {right.operation} of {right.name}: {right.user}" for right in rights]

    async def remove_user(self, name: str, *, password: bool) -> None:
        self.asked.append(f"gone {name}, password too: {password}")


def admin(mechanism: str | None, *, rights: bool = True) -> KafkaAccess:
    """An administrator's access."""
    return KafkaAccess("kafka:1", "SASL_SSL", mechanism, mechanism and "boss", mechanism and "secret", rights=rights)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_users_are_made_and_waited_for_by_the_administrators_mechanism(
    mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user that was made must be waited for as it will log in: by the mechanism that the broker takes."""
    waited: list[KafkaAccess] = []

    async def known(access: KafkaAccess) -> None:
        waited.append(access)

    monkeypatch.setattr(module, "Admin", Noting)
    monkeypatch.setattr(module, "require_known", known)
    grounds = Grounds(admin(mechanism), TOPICS, Home(tmp_path))
    await grounds.admit({AGENCY: agency_rights(TOPICS, "court")})
    await grounds.dismiss(AGENCY)
    assert grounds.admin.asked == [  # type: ignore[attr-defined]  # of the one that notes
        f"user {AGENCY}",
        f"rights {AGENCY}",
        f"gone {AGENCY}, password too: True",
    ]
    assert [(one.username, one.sasl_mechanism) for one in waited] == [(AGENCY, mechanism)]


async def test_users_are_named_after_their_bus_and_nobody_elses_password_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a Kafka that others use there may be a user of any name: one that this home did not make is left alone."""

    async def known(access: KafkaAccess) -> None:
        assert access.username == f"nation.{AGENCY}"

    monkeypatch.setattr(module, "Admin", Noting)
    monkeypatch.setattr(module, "require_known", known)
    topics, home = Topics("nation.", 8), Home(tmp_path)
    wanted = {AGENCY: agency_rights(topics, "court")}
    strange = Grounds(admin("SCRAM-SHA-512"), topics, home)
    strange.admin.there |= {f"nation.{AGENCY}"}  # type: ignore[attr-defined]  # of the one that notes
    with pytest.raises(UserTaken, match=f"at kafka:1 already.*: nation.{AGENCY}$"):
        await strange.admit(wanted)
    assert strange.admin.asked == []  # type: ignore[attr-defined]
    assert not home.has_secret(f"users/{AGENCY}")
    ours = Grounds(admin("SCRAM-SHA-512"), topics, home)
    ours.admin.there |= {AGENCY}  # type: ignore[attr-defined]  # of a bus without a prefix
    await ours.admit(wanted)
    ours.admin.there |= {f"nation.{AGENCY}"}  # type: ignore[attr-defined]
    await ours.admit(wanted)
    assert ours.admin.asked == 2 * [f"user nation.{AGENCY}", f"rights nation.{AGENCY}"]  # type: ignore[attr-defined]


async def test_a_user_of_the_homes_own_kafka_whose_password_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There no user is anybody else's: one gets a new password, where the next start was refused for ever."""

    async def known(_: KafkaAccess) -> None:
        return

    monkeypatch.setattr(module, "Admin", Noting)
    monkeypatch.setattr(module, "require_known", known)
    home = Home(tmp_path)
    access = admin("SCRAM-SHA-256").as_user("admin", home.secret("users/admin"))
    grounds = Grounds(access, TOPICS, home)
    grounds.admin.there |= {AGENCY}  # type: ignore[attr-defined]  # of the one that notes
    await grounds.admit({AGENCY: agency_rights(TOPICS, "court")})
    assert grounds.admin.asked == [f"user {AGENCY}", f"rights {AGENCY}"]  # type: ignore[attr-defined]
    assert home.has_secret(f"users/{AGENCY}")
    assert grounds.admin.sets_back  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("access", "asked"),
    [
        (admin("PLAIN"), [f"rights {AGENCY}", f"gone {AGENCY}, password too: False"]),
        (admin("SCRAM-SHA-512", rights=False), []),
        (admin(None), []),
    ],
    ids=["not scram", "rights switched off", "no identities"],
)
async def test_what_the_bus_may_not_make_is_left_alone(
    access: KafkaAccess, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users of PLAIN are made by whoever runs the broker, and with rights switched off nothing is touched at all."""
    monkeypatch.setattr(module, "Admin", Noting)
    grounds = Grounds(access, TOPICS, Home(tmp_path))
    assert not grounds.admin.sets_back  # type: ignore[attr-defined]
    await grounds.admit({AGENCY: agency_rights(TOPICS, "court")})
    await grounds.dismiss(AGENCY)
    assert grounds.admin.asked == asked  # type: ignore[attr-defined]  # of the one that notes
    assert not grounds._home.has_secret(f"users/{AGENCY}")
