"""Citizens who withdraw, and how long it takes until that has taken effect."""

import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from bus.clock import monotonic
from bus.consent.messages import split_key
from bus.demo.parts import Parts
from bus.kafka.log import Place, Reader

EFFECTIVE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Given:
    """A consent that stands."""

    subject: str
    agreement: str


async def standing_consents(parts: Parts) -> list[Given]:
    """Consents that stand now, in the order of their agreements and subjects."""
    places = [Place(parts.topics.consents, lane) for lane in range(parts.topics.lanes)]
    reader = Reader(parts.access, committed=True)
    await reader.start()
    newest: dict[Given, str] = {}
    try:
        reader.assign(await reader.beginnings(places))
        async for records in reader.to_ends(await reader.ends(places)):
            for record in records:
                message = await parts.messages.decode(record.value or b"")
                newest[Given(*split_key(record.key or b""))] = message["action"]
    finally:
        await reader.stop()
    given = (one for one, action in newest.items() if action == "GIVE")
    return sorted(given, key=lambda one: (one.agreement, one.subject))


def spread(listed: list[Given], count: int) -> list[Given]:
    """So many of them, evenly over all agreements and subjects."""
    return listed[:: max(1, len(listed) // count)][:count] if count else []


async def withdraw(parts: Parts, given: Given) -> float:
    """Withdraw through the citizens' API; returns the milliseconds from sending it to its effect.

    Effective means: the lane's committed position has passed the event. Raises NotQuiet after five minutes.
    """
    act: dict[str, Any] = {
        "event_id": str(uuid.uuid4()),
        "subject": given.subject,
        "agreement": given.agreement,
        "action": "WITHDRAW",
        "given_by": "SELF",
        "proof": "demo",
    }
    headers = {"Authorization": f"Bearer {parts.place.citizen_token}"}
    address = parts.place.citizen_api or ""
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30, trust_env=False) as client:
        began = monotonic()
        answer = await client.post("/v1/consents", json=act)
        (accepted,) = answer.raise_for_status().json()["accepted"]
        effective = await parts.watch.until_effective(accepted["partition"], accepted["offset"], EFFECTIVE_SECONDS)
    return (effective - began) * 1000
