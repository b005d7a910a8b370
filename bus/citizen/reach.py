"""Where the consent API is and which token its callers need: the same answer for those who serve and who call."""

from bus.errors import ConsentApiUnreachable
from bus.kafka.rights import CITIZEN
from bus.platform.home import Home
from bus.platform.ports import LOOPBACK, address
from bus.platform.reach import why_absent
from bus.settings import CitizenSettings, Settings

CALLERS_TOKEN = "citizen-token"  # noqa: S105 - the name of the secret, not the secret
"""The secret in BUS_HOME that callers must know, where no setting names another."""


def callers_token(own: CitizenSettings, home: Home) -> str:
    """The bearer token of the API."""
    return own.token.get_secret_value() if own.token else home.secret(CALLERS_TOKEN)


def api_url(settings: Settings, home: Home) -> str:
    """Where the API is. Raises ConsentApiUnreachable when nothing is named and nothing runs."""
    if settings.citizen:
        return settings.citizen
    found = home.endpoint(CITIZEN)
    if found is None:
        raise ConsentApiUnreachable(url=f"http://{LOOPBACK}", reason=why_absent(home, CITIZEN))
    return f"http://{address(found)}"
