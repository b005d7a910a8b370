"""Which settings a source takes, as a JSON Schema (2020-12); what is secret is marked `writeOnly`."""

import re
from collections.abc import Mapping
from typing import Any

from bus.connect.manifest import Manifest

_POSTGRES = {
    "dsn": {
        "type": "string",
        "format": "uri",
        "writeOnly": True,
        "description": "postgresql://user:password@host:port/database; the user may replicate and owns the tables",
    }
}
_FEED = {
    "url": {"type": "string", "format": "uri", "description": "address of the service, before the manifest's paths"},
    "token": {"type": "string", "writeOnly": True, "description": "bearer token that the service takes; or:"},
    "token_url": {"type": "string", "format": "uri", "description": "where OAuth 2 client credentials get a token"},
    "client_id": {"type": "string", "description": "with token_url"},
    "client_secret": {"type": "string", "writeOnly": True, "description": "with token_url"},
    "scope": {"type": "string", "description": "with token_url, where the server wants one"},
}
_SQL = {
    "url": {
        "type": "string",
        "format": "uri",
        "writeOnly": True,
        "description": "dialect+driver://user:password@host/database, as SQLAlchemy writes it; the user may read",
    }
}
_FILES = {"folder": {"type": "string", "description": "folder into which the registry drops its files"}}

_ADDRESS = re.compile(r"https?://[\w.\-\[\]]+(:\d+)?/?")
_PROPERTIES: Mapping[str, Mapping[str, Any]] = {"postgres": _POSTGRES, "feed": _FEED, "files": _FILES, "sql": _SQL}
_REQUIRED = {"postgres": ("dsn",), "feed": ("url",), "files": ("folder",), "sql": ("url",)}


def spec(manifest: Manifest, source: type | None = None) -> dict[str, Any]:
    """The JSON Schema of a connector's settings; a source class with its own `settings_schema` speaks for itself."""
    own = getattr(source, "settings_schema", None)
    if isinstance(own, dict):
        return own
    properties = _PROPERTIES.get(manifest.kind, {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Settings of the connector {manifest.name}",
        "description": f"They lie in connectors/{manifest.name}.json in BUS_HOME, mode 0600.",
        "type": "object",
        "properties": {name: dict(one) for name, one in properties.items()},
        "required": sorted(_REQUIRED.get(manifest.kind, ())),
        "additionalProperties": {"type": "string"},
    }


def secrets(settings: Mapping[str, str]) -> frozenset[str]:
    """What of the settings must never be printed: whole values, and the passwords inside of addresses.

    The address of a host, with nothing before or behind it, may be: without it nobody knows what did not answer.
    """
    found = {value for name, value in settings.items() if name != "folder" and len(value) > 2}
    found = {value for value in found if not _ADDRESS.fullmatch(value)}
    for value in settings.values():
        before, at, _ = value.partition("://")[2].rpartition("@")
        if at and ":" in before:
            found.add(before.partition(":")[2])
        found |= {part.partition("=")[2] for part in value.split() if part.startswith("password=")}
    return frozenset(one for one in found if one)


def without_secrets(text: str, settings: Mapping[str, str]) -> str:
    """A text in which no secret of these settings is left."""
    for one in sorted(secrets(settings), key=len, reverse=True):
        text = text.replace(one, "***")
    return text
