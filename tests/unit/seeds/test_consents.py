"""What citizens send from their app."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from bus.model.country import Place
from seeds import consents
from seeds.consents import Act
from seeds.site import Site

PEOPLE = [f"0010900{number:05}" for number in range(2000)]


class Desk(BaseHTTPRequestHandler):
    """Takes what is posted and keeps it; answers as the citizen API does."""

    taken: list[tuple[str, str | None, list[dict[str, Any]]]]
    status = 202

    def do_POST(self) -> None:
        """One request."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.taken.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """Say nothing."""


@pytest.fixture
def desk() -> Iterator[tuple[str, type[Desk]]]:
    """A citizen API on loopback, and what it took."""
    handler = type("Fresh", (Desk,), {"taken": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


def site(tmp_path: Path, url: str | None) -> Site:
    """A site whose citizens reach that API."""
    return Site(Place(home=tmp_path, postgres="", citizen_api=url, citizen_token="secret"))


def test_consent_is_asked_only_for_agreements_that_need_it(tmp_path: Path) -> None:
    """Statutory agreements are left alone."""
    (tmp_path / "one.yaml").write_text("id: one\nbasis: {consent: required}\n")
    (tmp_path / "two.yaml").write_text("id: two\nbasis: {statutory: X, article: Y}\n")
    assert consents.consent_agreements(tmp_path) == ("one",)


def test_about_sixty_in_a_hundred_consent_and_always_the_same() -> None:
    """It follows from seed, agreement and person alone."""
    gave = [person for person in PEOPLE if consents.gives(1, "loan", person)]
    assert 0.55 < len(gave) / len(PEOPLE) < 0.65
    assert gave == [person for person in PEOPLE if consents.gives(1, "loan", person)]
    assert gave != [person for person in PEOPLE if consents.gives(2, "loan", person)]
    assert gave != [person for person in PEOPLE if consents.gives(1, "card", person)]


def test_only_who_gave_withdraws_and_only_who_withdrew_gives_again() -> None:
    """And only those who had not given give for a time."""
    gave = {person for person in PEOPLE if consents.gives(1, "loan", person)}
    minds = consents.minds(1, "loan", PEOPLE)
    assert set(minds.withdraw) < gave
    assert set(minds.give_again) < set(minds.withdraw)
    assert not set(minds.give_for_a_time) & gave
    assert minds.withdraw
    assert minds.give_again
    assert minds.give_for_a_time


def test_every_act_has_an_id_of_its_own_and_the_same_act_the_same() -> None:
    """Repeating a morning repeats its ids, so that nothing counts twice; giving again is another act."""
    acts = [
        Act("001", "loan", "GIVE", 1),
        Act("001", "loan", "WITHDRAW", 1),
        *consents.second_thoughts(1, "loan", ("001",)),
        Act("002", "loan", "GIVE", 1),
        Act("001", "card", "GIVE", 1),
        Act("001", "loan", "GIVE", 2),
    ]
    assert len({act.document()["event_id"] for act in acts}) == len(acts)
    assert acts[0].document() == Act("001", "loan", "GIVE", 1).document()


def test_proof_and_id_do_not_tell_who_it_is() -> None:
    """The personal number stands in `subject` alone."""
    document = Act("001090123456", "loan", "GIVE", 1).document()
    assert [name for name, value in document.items() if "001090123456" in str(value)] == ["subject"]


async def test_acts_are_sent_in_order_and_in_batches(tmp_path: Path, desk: tuple[str, type[Desk]]) -> None:
    """With the token, at most 500 at a time, every one of them once."""
    url, handler = desk
    acts = consents.for_a_time(1, "loan", tuple(PEOPLE[:1200]))
    await consents.send(site(tmp_path, url), acts)
    assert [(path, token, len(body)) for path, token, body in handler.taken] == [
        ("/v1/consents", "Bearer secret", 500),
        ("/v1/consents", "Bearer secret", 500),
        ("/v1/consents", "Bearer secret", 200),
    ]
    assert [document for _, _, body in handler.taken for document in body] == [act.document() for act in acts]


async def test_a_refusal_is_not_passed_over(tmp_path: Path, desk: tuple[str, type[Desk]]) -> None:
    """What the API did not take raises, without naming anybody."""
    url, handler = desk
    handler.status = 422
    with pytest.raises(httpx.HTTPStatusError, match="422") as raised:
        await consents.send(site(tmp_path, url), [Act("001090123456", "loan", "GIVE", 1)])
    assert "001090123456" not in str(raised.value)


async def test_without_a_citizen_api_sending_is_a_mistake(tmp_path: Path) -> None:
    """Nothing is lost silently."""
    with pytest.raises(ValueError, match="no citizen API"):
        await consents.send(site(tmp_path, None), [])


def test_ports_and_tokens_stay_and_are_for_the_owner_only(tmp_path: Path) -> None:
    """A second look at the same place gives the same, and the token's file is closed to others."""
    one, two = site(tmp_path, None), site(tmp_path, None)
    assert (one.token("tax"), one.port("tax")) == (two.token("tax"), two.port("tax"))
    assert one.token("tax") != one.token("insurance")
    assert one.token_file("tax").stat().st_mode & 0o777 == 0o600
