"""What citizens do in their app: they give consent, withdraw it, give it again, give it for a time.

Who gives what follows from the seed, so that the day knows whom it may let withdraw.
"""

import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from bus.model.country import Step
from seeds.dice import Dice
from seeds.offices import open_offices
from seeds.people import TODAY
from seeds.site import Site

WILLING = 0.6
"""The share of adults who give a consent in the morning."""

_BATCH = 500
_UNTIL = "2030-12-31T17:00:00Z"


@dataclass(frozen=True, slots=True)
class Act:
    """One person's act on one agreement. `turn` counts acts of the same kind, so that each has an id of its own."""

    subject: str
    agreement: str
    action: str
    seed: int
    turn: int = 0
    valid_until: str | None = None

    def document(self) -> dict[str, Any]:
        """As the citizen API takes it; the server fills in the revision that is active."""
        name = f"{self.seed}/{self.agreement}/{self.subject}/{self.action}/{self.turn}"
        event_id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        return {
            "event_id": event_id,
            "subject": self.subject,
            "agreement": self.agreement,
            "revision": None,
            "action": self.action,
            "given_by": "SELF",
            "proof": f"vneid:{event_id[:8]}",
            "valid_until": self.valid_until,
        }


def consent_agreements(folder: Path) -> tuple[str, ...]:
    """The ids of the agreements whose basis is consent, sorted."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        if "consent" in document["basis"]:
            found.append(str(document["id"]))
    return tuple(found)


async def adults(site: Site) -> list[str]:
    """The personal numbers of the living adults, sorted."""
    eldest_minor = date(TODAY.year - 18, TODAY.month, TODAY.day)
    async with open_offices(site) as offices:
        rows = await offices.citizens.connection.execute(
            "select so_dinh_danh from citizen where tinh_trang = 1 and ngay_sinh <= %s order by so_dinh_danh",
            (eldest_minor,),
        )
        return [row["so_dinh_danh"] for row in await rows.fetchall()]


def gives(seed: int, agreement: str, subject: str) -> bool:
    """Whether a person gives this consent in the morning."""
    return Dice("consent", seed, agreement, subject).chance(WILLING)


async def morning(site: Site, agreements: tuple[str, ...], seed: int) -> AsyncGenerator[Step, None]:
    """About 60 % of the adults consent to each agreement that needs it."""
    people = await adults(site)
    for agreement in agreements:
        acts = [Act(person, agreement, "GIVE", seed) for person in people if gives(seed, agreement, person)]
        await send(site, acts)
        title_en, title_vi = f"{len(acts)} citizens consent to {agreement}", f"{len(acts)} người dân đồng ý {agreement}"
        yield Step(f"consents-{agreement}", title_en, title_vi, {"consents": len(acts)})


async def send(site: Site, acts: list[Act]) -> None:
    """Hand the acts to the citizen API, in order; raises httpx.HTTPStatusError when it refuses."""
    place = site.place
    if place.citizen_api is None:
        raise ValueError("the place has no citizen API to send consents to")
    headers = {"Authorization": f"Bearer {place.citizen_token or ''}"}
    async with httpx.AsyncClient(base_url=place.citizen_api, headers=headers, timeout=30, trust_env=False) as client:
        for batch in _batches(acts):
            answer = await client.post("/v1/consents", json=[act.document() for act in batch])
            answer.raise_for_status()


@dataclass(frozen=True, slots=True)
class Minds:
    """Who changes their mind during the day about one agreement: parts of those who gave and those who did not."""

    withdraw: tuple[str, ...]
    give_again: tuple[str, ...]
    give_for_a_time: tuple[str, ...]


def minds(seed: int, agreement: str, people: list[str]) -> Minds:
    """One giver in twelve withdraws and a third of these give again; one in fifteen others gives for a time."""
    gave = [person for person in people if gives(seed, agreement, person)]
    others = [person for person in people if not gives(seed, agreement, person)]
    leaving = gave[seed % 7 :: 12] or gave[:1]
    return Minds(tuple(leaving), tuple(leaving[::3]), tuple(others[seed % 5 :: 15]))


def withdrawals(seed: int, agreement: str, people: tuple[str, ...]) -> list[Act]:
    """They withdraw."""
    return [Act(person, agreement, "WITHDRAW", seed) for person in people]


def second_thoughts(seed: int, agreement: str, people: tuple[str, ...]) -> list[Act]:
    """They give again what they had withdrawn."""
    return [Act(person, agreement, "GIVE", seed, turn=1) for person in people]


def for_a_time(seed: int, agreement: str, people: tuple[str, ...]) -> list[Act]:
    """They give with an end."""
    return [Act(person, agreement, "GIVE", seed, valid_until=_UNTIL) for person in people]


def _batches(acts: list[Act]) -> Iterator[list[Act]]:
    for start in range(0, len(acts), _BATCH):
        yield acts[start : start + _BATCH]
