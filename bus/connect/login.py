"""Who a feed is asked as: a bearer token that was handed over, or one that OAuth 2 client credentials obtain."""

import asyncio
from collections.abc import AsyncGenerator

import httpx

from bus.clock import monotonic
from bus.connect.place import Place
from bus.connect.trouble import address, of_http
from bus.errors import SourceUnfit, SourceUnreachable

SPARE_SECONDS = 30.0
"""A token is renewed so long before its end."""

UNTOLD_SECONDS = 300.0
"""How long a token counts whose end the server does not tell."""


def login(place: Place) -> httpx.Auth:
    """By `token_url`, `client_id`, `client_secret` and `scope` where the settings have a `token_url`; else by `token`.

    Raises ConnectorSettingMissing.
    """
    if place.settings.get("token_url"):
        return ClientCredentials(place)
    return _Bearer(place.setting("token"))


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


class ClientCredentials(httpx.Auth):
    """RFC 6749, section 4.4, the secret sent as HTTP Basic. A token that is refused is renewed once."""

    requires_response_body = True

    def __init__(self, place: Place) -> None:
        self._connector = place.connector
        self._url = place.setting("token_url")
        self._basic = httpx.BasicAuth(place.setting("client_id"), place.setting("client_secret"))
        self._scope = place.settings.get("scope")
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Put the token on the request, after asking for one where none is good."""
        if monotonic() >= self._until:
            await self._renew(self._token)
        used = self._token
        request.headers["authorization"] = f"Bearer {used}"
        answer = yield request
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            await self._renew(used)
            request.headers["authorization"] = f"Bearer {self._token}"
            yield request

    async def _renew(self, refused: str) -> None:
        """Ask for a token, unless another request has meanwhile got one."""
        async with self._asking:
            if self._token == refused:
                self._token, lasting = await self._ask()
                self._until = monotonic() + max(lasting - SPARE_SECONDS, 0.0)

    async def _ask(self) -> tuple[str, float]:
        words = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        try:
            async with httpx.AsyncClient(auth=self._basic) as client:
                answer = await client.post(self._url, data=words)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            mend = "Write it as https://host:port/path in the setting token_url."
            raise SourceUnfit(connector=self._connector, reason=of_http(error, self._url), mend=mend) from None
        except httpx.HTTPError as error:
            raise SourceUnreachable(connector=self._connector, reason=of_http(error, self._url)) from error
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            reason = f"{address(self._url)} answers HTTP {answer.status_code} to a request for a token"
            raise SourceUnreachable(connector=self._connector, reason=reason)
        try:
            found = answer.json()
            return str(found["access_token"]), float(found.get("expires_in", UNTOLD_SECONDS))
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = f"{address(self._url)} gives no token (HTTP {answer.status_code})"
            mend = "Check token_url, client_id, client_secret and scope in the connector's settings."
            raise SourceUnfit(connector=self._connector, reason=reason, mend=mend) from None
