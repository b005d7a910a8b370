"""The consent API's HTTP, before a desk that has nothing to tell."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from bus.citizen.app import application
from bus.citizen.desk import ConsentDesk, Taken
from bus.citizen.request import Act

TOKEN = "a-token-of-callers"
SUBJECT = "001190000029"
ACT = '"event_id": "e-1", "subject": "001190000029", "agreement": "a", "given_by": "SELF", "proof": "app:1"'


class Desk(ConsentDesk):
    """Takes everything, and knows nothing."""

    def __init__(self) -> None:  # it connects to nothing
        self.taken: list[Act] = []

    async def take(self, acts: Sequence[Act], *, listed: bool) -> list[Taken]:
        del listed
        self.taken += acts
        return []

    async def standings(self, subject: str, language: str) -> list[dict[str, Any]]:
        del subject, language
        return []


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def http(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(desk, token=TOKEN))
    headers: Mapping[str, str] = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://citizen", headers=headers) as client:
        yield client


async def test_a_key_that_stands_twice(http: httpx.AsyncClient, desk: Desk) -> None:
    """An act that says two things is taken for neither: what stands before this API may have read the other one."""
    answer = await http.post("/v1/consents", content=f'{{{ACT}, "action": "WITHDRAW", "action": "GIVE"}}')
    assert (answer.status_code, answer.json()["errors"][0]["remedy"]) == (422, "Send each key once.")
    assert (await http.post("/v1/consents", content=f'{{{ACT}, "action": "WITHDRAW"}}')).status_code == 202
    assert len(desk.taken) == 1


@pytest.mark.parametrize("subject", ["001 190 000 029", "001190000029%20", "%20", "0" * 65])
async def test_nobody_has_a_personal_id_that_no_act_could_name(http: httpx.AsyncClient, subject: str) -> None:
    """A slip of the keyboard is told, and not answered as of a person who never consented."""
    answer = await http.get(f"/v1/subjects/{subject}/consents")
    (told,) = answer.json()["errors"]
    assert (answer.status_code, told["place"]) == (422, "subject")
    assert subject not in answer.text


async def test_a_failure_repeats_nothing(
    http: httpx.AsyncClient, desk: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What nobody foresaw is told by its kind and its place: the text of an error may hold what was sent."""

    async def failing(subject: str, language: str) -> list[dict[str, Any]]:
        raise LookupError(subject, language)

    monkeypatch.setattr(desk, "standings", failing)
    answer = await http.get(f"/v1/subjects/{SUBJECT}/consents")
    assert answer.status_code == 500
    assert answer.json()["errors"][0]["remedy"]
    told = "".join(capfd.readouterr())
    assert "LookupError" in told
    assert "test_app.py:" in told
    assert SUBJECT not in told + answer.text


async def test_nothing_is_kept_on_the_way(http: httpx.AsyncClient) -> None:
    """What is told of a person, or taken, is stored by no cache between here and the caller."""
    for answer in (
        await http.get(f"/v1/subjects/{SUBJECT}/consents"),
        await http.post("/v1/consents", content=f'{{{ACT}, "action": "GIVE"}}'),
    ):
        assert answer.is_success
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("liked", "told"),
    [
        ("vi", "vi"),
        ("vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        ("fr, en;q=0.2, vi;q=0.4", "vi"),
        ("vi;q=0, *", "en"),
        ("vi;q=nonsense", "en"),
        ("", "en"),
    ],
)
async def test_a_person_is_told_in_their_language(http: httpx.AsyncClient, liked: str, told: str) -> None:
    """What a person is shown beside titles in their language is in it too, where the bus speaks it."""
    answer = await http.get(f"/v1/subjects/{SUBJECT}/consents", headers={"accept-language": liked})
    assert answer.headers["content-language"] == told
