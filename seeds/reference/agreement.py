"""What an agreement is to the checker, and the few words that several of them share."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from seeds.reference.pseudonyms import Hide
from seeds.reference.readings import Row, View

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")

SUBJECT = {
    "citizen": "so_dinh_danh",
    "parcel": None,
    "land_right": "so_dinh_danh",
    "taxpayer": "personalId",
    "obligation": "personalId",
    "coverage": "so_dinh_danh",
}
"""The column that names the person, by table; a parcel is about nobody."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """`view` gives what the recipient gets of a row, None for a row that is none of its business.

    `key` is the record's key in the recipient's topic; `hidden` says that the person stands there by pseudonym. `since`
    and `until` are days in Viet Nam, both included. `keeps`: a copy stays when its row is no longer the recipient's
    business.
    """

    name: str
    recipient: str
    table: str
    view: Callable[[Row, Hide], View | None]
    key: Callable[[Row, Hide], str]
    by_consent: bool = False
    hidden: bool = False
    keeps: bool = False
    since: date = date(2026, 1, 1)
    until: date | None = None

    def topic(self, prefix: str) -> str:
        """Where the recipient reads."""
        return f"{prefix}agency.{self.recipient}.{self.name}.v1"

    def subject_of_key(self, key: str) -> str | None:
        """Whom a key of the topic names, as far as it names anybody."""
        return None if SUBJECT[self.table] is None else key.partition("/")[0]

    def in_force(self, now: datetime) -> bool:
        """Whether the agreement holds at a moment."""
        day = now.astimezone(ZONE).date()
        return self.since <= day and (self.until is None or day <= self.until)


def there(value: object) -> bool:
    """Whether a registry wrote something: an empty text is nothing."""
    return value not in {None, ""}


def text(value: str | None) -> str | None:
    """A text, or nothing."""
    return value or None


def last(value: str | None, length: int) -> str | None:
    """The last characters of a text behind three stars; of a short one only the stars."""
    if not value:
        return None
    return "***" + (value[-length:] if length < len(value) else "")


def band(amount: int, bounds: Sequence[int]) -> str:
    """Between which two bounds an amount lies."""
    rank = bisect_right(bounds, amount)
    if rank == 0:
        return f"<{bounds[0]}"
    return f">={bounds[-1]}" if rank == len(bounds) else f"{bounds[rank - 1]}..<{bounds[rank]}"
