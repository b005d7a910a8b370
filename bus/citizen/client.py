"""The consent API from its caller's side: what `bus consent` and a counter's software need."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from bus.citizen.reach import api_url, callers_token
from bus.clock import monotonic
from bus.errors import ConsentApiUnreachable, ConsentPending, ConsentRefused
from bus.platform.home import Home
from bus.settings import CitizenSettings, Settings

Told = TypeVar("Told")

TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 10.0


class ConsentClient:
    """Calls the API. Every method raises ConsentApiUnreachable without an answer, ConsentRefused with a refusal."""

    def __init__(self, url: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        try:
            self._http = httpx.Client(
                base_url=self._url,
                headers={"authorization": f"Bearer {token}"},
                timeout=TIMEOUT_SECONDS,
                transport=transport,
            )
            self._url = str(httpx.URL(self._url).copy_with(userinfo=b""))  # errors tell it
        except httpx.InvalidURL as error:
            raise ConsentApiUnreachable(url=self._url, reason="that is no address such as http://host:port") from error

    @classmethod
    def from_settings(cls, settings: Settings) -> "ConsentClient":
        """The API that BUS_CITIZEN names, or the one that runs in the home. Raises ConsentApiUnreachable."""
        home = Home.from_settings(settings)
        return cls(api_url(settings, home), callers_token(CitizenSettings(), home))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def send(self, acts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Write acts; where each event lies, `{"event_id", "partition", "offset", "state"}`."""
        return self._ask("accepted", list, "POST", "/v1/consents", json=list(acts))

    def until_effective(self, partition: int, offset: int, seconds: float) -> float:
        """Wait until an event has taken effect; the seconds that it took. Raises ConsentPending at the deadline."""
        began = monotonic()
        while (left := seconds - (monotonic() - began)) > 0:
            query = {"partition": partition, "offset": offset, "wait": min(left, POLL_SECONDS)}
            if self._ask("state", str, "GET", "/v1/effective", params=query) == "effective":
                return monotonic() - began
        raise ConsentPending(partition=partition, offset=offset, seconds=seconds)

    def standings(self, subject: str, language: str = "en") -> list[dict[str, Any]]:
        """How a person stands to every agreement; `words` in the language, where the bus speaks it."""
        path = f"/v1/subjects/{quote(subject, safe='')}/consents"
        return self._ask("consents", list, "GET", path, headers={"accept-language": language})

    def _ask(self, name: str, kind: type[Told], method: str, path: str, **words: Any) -> Told:
        """What a good answer tells under a name."""
        try:
            answer = self._http.request(method, path, **words)
            body = answer.json()
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise ConsentApiUnreachable(url=self._url, reason=type(error).__name__) from error
        except (ValueError, RecursionError):
            body = None
        if not answer.is_success and body is not None:
            raise _refusal(answer, body)
        if isinstance(body, dict) and isinstance(told := body.get(name), kind):
            return told
        reason = f"HTTP {answer.status_code}, which is no answer of the consent API"
        raise ConsentApiUnreachable(url=self._url, reason=reason)


def _refusal(answer: httpx.Response, body: Any) -> ConsentRefused:
    findings = list(_findings(body))
    if not findings:
        return ConsentRefused(reason=f"HTTP {answer.status_code}", instead="Is this the consent API of the bus?")
    reasons = "; ".join(f"{one['place']}: {one['reason']}" if one["place"] else one["reason"] for one in findings)
    remedies = " ".join(dict.fromkeys(one["remedy"] for one in findings))
    return ConsentRefused(reason=reasons, instead=remedies)


def _findings(body: Any) -> Iterator[dict[str, str]]:
    listed = body.get("errors") if isinstance(body, dict) else None
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and {"place", "reason", "remedy"} <= one.keys():
            yield one
