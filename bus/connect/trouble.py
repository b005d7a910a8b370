"""Why a source does not answer, in words: what a client library knows, without its secrets and without values."""

import os
import re
from typing import Any
from urllib.parse import urlsplit

import httpx

_TLS = re.compile(r"\[SSL: \w+\] (.*?)(?: \(_ssl\.c:\d+\))?$")


def of_http(error: httpx.HTTPError | httpx.InvalidURL, url: str) -> str:
    """What went wrong on the way to a service, and its address."""
    where = address(url)
    match error:
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return f"{where} is no address such as https://host:port"
        case httpx.ConnectTimeout():
            return f"{where} cannot be reached in time"
        case httpx.TimeoutException():
            return f"{where} takes too long to answer"
        case httpx.ConnectError():
            return f"{where} cannot be reached: {_reason(error)}"
        case httpx.RemoteProtocolError() | httpx.DecodingError():
            return f"{where} does not answer as an HTTP server does"
    return f"{where} broke off its answer"


def of_sql(error: Any, url: str) -> str:
    """What SQLAlchemy or the driver says of connection, rights and names; of anything else only what kind it is.

    Other texts may quote values of rows, and so does SQLite's of a text that is none of its encoding.
    """
    from sqlalchemy import exc, make_url  # noqa: PLC0415 - those alone load it whose source needs it

    where = make_url(url).set(query={}).render_as_string(hide_password=True)
    said = str(getattr(error, "orig", None) or "").strip().partition("\n")[0]
    if isinstance(error, exc.OperationalError | exc.ProgrammingError | exc.InterfaceError) and said:
        return f"{where}: {said.partition(' with text ')[0]}"
    return f"{where} refuses a query ({type(error).__name__})"


def address(url: str) -> str:
    """Scheme, host and port of an address, without whatever else stands in it."""
    try:
        found = urlsplit(url)
        port = f":{found.port}" if found.port else ""
    except ValueError:
        return "the given url"
    host = f"[{found.hostname}]" if found.hostname and ":" in found.hostname else found.hostname
    return f"{found.scheme}://{host}{port}" if found.scheme and host else "the given url"


def _reason(error: Exception) -> str:
    """What the system or TLS said first, as far down as it is known."""
    said, at = "", error.__cause__ or error.__context__
    while at is not None:
        if isinstance(at, OSError):
            said = os.strerror(at.errno) if at.errno and at.errno > 0 else at.strerror or said
        at = at.__cause__ or at.__context__
    secure = _TLS.search(str(error))
    return secure[1] if secure else said or "no connection"
