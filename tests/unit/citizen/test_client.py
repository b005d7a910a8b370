"""The client of the consent API: what it makes of answers, good, bad and foreign."""

from collections.abc import Callable

import httpx
import pytest

from bus.citizen.client import ConsentClient
from bus.citizen.reach import api_url
from bus.errors import ConsentApiUnreachable, ConsentPending, ConsentRefused
from bus.platform.home import Home
from bus.settings import Settings

Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer) -> ConsentClient:
    return ConsentClient("http://citizen/", "a-token", transport=httpx.MockTransport(answer))


def test_token_and_path() -> None:
    """The token goes with each call, and a personal id cannot break out of its path."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer a-token"
        assert request.url.raw_path == b"/v1/subjects/a%2Fb%3F/consents"
        return httpx.Response(200, json={"subject": "a/b?", "consents": []})

    with client(answer) as citizen:
        assert citizen.standings("a/b?") == []


def test_refusal() -> None:
    """A refusal is told with each place and reason, and each remedy once."""
    findings = [
        {"place": "subject", "reason": "it is missing", "remedy": "Add it."},
        {"place": "proof", "reason": "it is missing", "remedy": "Add it."},
        {"place": "", "reason": "it is late", "remedy": "Hurry."},
    ]
    wrong = httpx.Response(422, json={"errors": findings})
    with client(lambda _: wrong) as citizen, pytest.raises(ConsentRefused) as refused:
        citizen.send([{}])
    told = "subject: it is missing; proof: it is missing; it is late"
    assert str(refused.value) == f"the consent API refused the request: {told}"
    assert refused.value.how_to_mend == "Add it. Hurry."


@pytest.mark.parametrize(
    "answer", [httpx.Response(404, json={"detail": "?"}), httpx.Response(500, json=["?"]), httpx.Response(403, json=7)]
)
def test_foreign_refusal(answer: httpx.Response) -> None:
    """An error in another form than the API's makes one wonder whether it is the API."""
    with client(lambda _: answer) as citizen, pytest.raises(ConsentRefused, match=f"HTTP {answer.status_code}"):
        citizen.send([])


def test_no_answer() -> None:
    """No answer, or one that is no JSON, says where the API was looked for."""

    def silent(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    for answer in (silent, lambda _: httpx.Response(200, text="<html>")):
        with client(answer) as citizen, pytest.raises(ConsentApiUnreachable, match="http://citizen "):
            citizen.send([])


def test_a_password_in_the_address() -> None:
    """What a proxy before the API wants to know stays untold where there is no answer."""

    def silent(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    citizen = ConsentClient("http://bus:hidden@citizen:8085/", "a-token", transport=httpx.MockTransport(silent))
    with citizen, pytest.raises(ConsentApiUnreachable, match="at http://citizen:8085 ") as raised:
        citizen.send([])
    assert "hidden" not in " ".join(raised.value.lines)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"status": "ok"}),
        httpx.Response(200, json={"accepted": 7, "state": [], "consents": None}),
        httpx.Response(200, content=b"[" * 200_000),
    ],
)
def test_a_good_answer_of_something_else(answer: httpx.Response) -> None:
    """Another service at the API's address is told as such, whatever JSON it answers with."""
    with client(lambda _: answer) as citizen:
        asked: list[Callable[[], object]] = [
            lambda: citizen.send([]),
            lambda: citizen.standings("x"),
            lambda: citizen.until_effective(0, 0, 0.1),
        ]
        for one in asked:
            with pytest.raises(ConsentApiUnreachable, match="no answer of the consent API"):
                one()


def test_an_answer_in_a_packing_that_breaks_and_an_address_that_is_none() -> None:
    """Both say where the API was looked for."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"<html>"))

    with client(answer) as citizen, pytest.raises(ConsentApiUnreachable, match="DecodingError"):
        citizen.send([])
    with pytest.raises(ConsentApiUnreachable, match="http://citizen:port"):
        ConsentClient("http://citizen:port", "a-token")


def test_waiting() -> None:
    """Waiting ends with the first answer `effective`, or at the deadline with the event's place."""
    states = iter(["pending", "pending", "effective"])
    with client(lambda _: httpx.Response(200, json={"state": next(states)})) as citizen:
        assert citizen.until_effective(3, 41, 5) < 5
    pending = httpx.Response(200, json={"state": "pending"})
    with client(lambda _: pending) as citizen, pytest.raises(ConsentPending, match="partition 3 offset 41"):
        citizen.until_effective(3, 41, 0.05)


def test_where(tmp_path_factory: pytest.TempPathFactory) -> None:
    """BUS_CITIZEN comes before what runs in the home; with neither, the error says so."""
    home = Home(tmp_path_factory.mktemp("home"))
    with pytest.raises(ConsentApiUnreachable, match="none was started"):
        api_url(Settings(home=home.path), home)
    home.announce("citizen", port=4711)
    assert api_url(Settings(home=home.path), home) == "http://127.0.0.1:4711"
    assert api_url(Settings(home=home.path, citizen="https://consents.example"), home) == "https://consents.example"
