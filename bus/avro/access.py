"""How one process reaches the schema registry: the user's own, or the one that the bus serves; and who it is there."""

from base64 import b64encode
from dataclasses import dataclass

import httpx

from bus.platform.home import Home
from bus.platform.reach import schema_registry_url
from bus.settings import SchemaRegistrySettings, Settings

SETTLES_SECONDS = 10.0
"""For so long a registry that others wrote may deny what it has: it answers while it still reads its topic."""

SETTLED = "bus-settled"
"""The header by which our registry says that it has read to the end of its topic: what it denies is not there."""

TOKEN_NAME = "schema-registry.token"  # noqa: S105 - the name of the secret, not the secret
"""The secret in BUS_HOME that guards changes of the registry served here, where there is one."""


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """An address and an identity: a bearer token, or a user and a password, or nobody. `repr` hides the secrets.

    `settles_seconds`: how long a denial of the registry is doubted, for it may not have read yet what was registered;
    one that says it has read everything is believed at once.
    """

    url: str
    token: str | None = None
    username: str | None = None
    password: str | None = None
    settles_seconds: float = 0.0

    def __repr__(self) -> str:
        return f"RegistryAccess({self.place}, user={self.username})"

    @property
    def place(self) -> str:
        """The address without a user and a password that may stand in it."""
        return str(httpx.URL(self.url).copy_with(userinfo=b""))

    @property
    def who(self) -> str:
        """Who asks, in words."""
        user = self.username or httpx.URL(self.url).username
        return f"user {user}" if user else "this token" if self.token else "callers without credentials"

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers that say who asks."""
        if self.username:
            pair = f"{self.username}:{self.password or ''}"
            return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        return {"authorization": f"Bearer {self.token}"} if self.token else {}


def registry_access(settings: Settings, home: Home, *, registers: bool = False) -> RegistryAccess:
    """The registry that the settings name, with their credentials for it, or the one that runs in the home.

    `registers` is for who adds schemas: to the latter with the token that the home keeps for that. Raises
    SchemaRegistryUnreachable.
    """
    url, given = schema_registry_url(settings, home), SchemaRegistrySettings()
    token = given.token.get_secret_value() if given.token else None
    if settings.schema_registry:
        password = given.password.get_secret_value() if given.password else None
        return RegistryAccess(url, token, given.username, password, SETTLES_SECONDS)
    if token is None and registers and home.has_secret(TOKEN_NAME):
        token = home.secret(TOKEN_NAME)
    return RegistryAccess(url, token)
