"""What goes over Kafka, before and after: bytes with their place. Knows nothing of any client library.

There is one of these for every record: a named tuple is made in a third of the time of a frozen dataclass.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

Headers = tuple[tuple[str, bytes], ...]
AnyHeaders = tuple[tuple[str, bytes | None], ...]
"""As others may write them: with a name and no value."""


class Incoming(NamedTuple):
    """A record as read: `timestamp_ms` is Kafka's; `value` None is a tombstone."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: AnyHeaders = ()

    def header(self, name: str) -> str | None:
        """The text of the last header of that name, or None."""
        for key, value in reversed(self.headers):
            if key == name:
                return _text(value)
        return None

    def header_texts(self) -> dict[str, str | None]:
        """The text of the last header of each name; None for one without a value."""
        return {name: _text(value) for name, value in self.headers}


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


class Outgoing(NamedTuple):
    """A record to be written; `value` None writes a tombstone, `timestamp_ms` None takes the time of writing.

    `stamp`, in a transaction, are headers that are encoded already, their count in front, and stands for `headers`: see
    `bus.kafka.batch`.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: AnyHeaders = ()
    timestamp_ms: int | None = None
    stamp: bytes | None = None


_Parts = tuple[str, int, bytes | None, bytes | None, AnyHeaders, int | None, bytes | None]
new_record: Callable[[_Parts], Outgoing] = partial(tuple.__new__, Outgoing)
"""A record from its parts: where there is one for every delivery, without the call that a name for each part costs."""
