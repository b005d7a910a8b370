"""What is told of a row that cannot become a record."""

import json
from datetime import date, datetime
from typing import Any

TOO_DEEP = "nested too deep to be told"


class RowUnfit(ValueError):
    """A row that its dataset's contract does not take. The text names column and rule, never a value."""


def original_bytes(row: Any) -> bytes:
    """A row as it came, as JSON: what a dead letter holds.

    Bytes that are no text stand as they are; half a pair of UTF-16, which JSON can name and no encoding takes, by name.
    What is nested as deep as can just be read may be too deep to be written.
    """
    found = dict(row) if hasattr(row, "keys") else row
    try:
        return _json(found, ascii_only=False).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _json(found, ascii_only=True).encode()
    except RecursionError:
        if not isinstance(found, dict):
            return original_bytes(TOO_DEEP)
        return original_bytes({name: TOO_DEEP if isinstance(one, list | dict) else one for name, one in found.items()})


def _json(found: Any, *, ascii_only: bool) -> str:
    return json.dumps(found, default=_plain, ensure_ascii=ascii_only, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)
