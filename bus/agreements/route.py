"""A route: one agreement, compiled to what a lane needs to decide about a record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bus.agreements.calendar import Calendar


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One revision of an agreement, ready to be obeyed. Compiled once per change of the register.

    Times are milliseconds since 1970, intervals half open: [from, until). Records handed to `admits` and `view` hold
    Avro's raw values: a date is a count of days, a timestamp a count of milliseconds, an enum its symbol.
    """

    agreement: str
    number: int
    revision: str
    recipient: str
    dataset: str
    purpose: str
    """The purpose's code."""

    legal_basis: str
    """The code of the statutory basis, or the country's code for consent."""

    article: str
    """The article in words; empty where the basis is consent."""

    needs_consent: bool
    accepted_revisions: frozenset[str]
    """Revisions whose consents still cover this one; itself at least."""

    pseudonymous: bool
    subject_shown: bool
    """The view releases the subject as it is, so the key may show it."""

    record_id_shown: bool
    """The view releases every field of the record id as it is, so the key may show it."""

    keep_on_exit: bool
    """A copy stays with the recipient when its record leaves the filter."""

    keep_on_end: bool
    """A copy stays with the recipient when validity, retention or the agreement ends."""

    valid_from_ms: int
    valid_until_ms: int | None
    retention_ms: int | None
    time_grain_ms: int
    """The clock that tells the recipient times moves once in so long: a second, or a day in a pseudonymous flow."""

    topic: str
    view_schema: dict[str, Any]
    view_schema_id: int
    admits: Callable[[Mapping[str, Any]], bool]
    """Whether the filter lets a record through. Raises FilterError: withhold."""

    view: Callable[[Mapping[str, Any]], dict[str, Any]]
    """What the recipient gets of a record. Raises FieldMissing: withhold. Pseudonyms are bound."""

    cuts: tuple[tuple[int, int], ...] | None = None
    """Where each value of the view is written as in the dataset's own schema: the numbers of the fields to cut out of a
    record's bytes, as stretches from one to before another. None where a value is changed."""

    filtered: bool = True
    """False where every record is let through."""

    filtered_by: tuple[tuple[int, int], ...] | None = None
    """The fields that `admits` reads, as stretches like those of `cuts`: its answer follows from their bytes alone.
    None where that is not known."""

    reads: frozenset[str] = frozenset()
    """The fields that `admits` reads, and, where the view is not cut, `view`."""

    no_wider: frozenset[str] = frozenset()
    """Revisions under which nothing went out that this one would not let out: their copies may stay as they are."""

    age_field: str | None = None
    """The field that says from when a record is; None where its age does not matter."""

    oldest: Callable[[int], int] | None = None
    """The least value of `age_field` that may be released at a time. Changes with each of `days`."""

    days: Calendar | None = None
    """When copies held are looked at for their age."""

    frequency: Calendar | None = None
    """In each of its spans a recipient gets one version of a record at most; the next span brings the newest."""

    def too_old(self, record: Mapping[str, Any], now_ms: int) -> bool:
        """Whether a record is older than agreed, or does not say how old it is."""
        if self.oldest is None or self.age_field is None:
            return False
        moment = record.get(self.age_field)
        return not isinstance(moment, int) or moment < self.oldest(now_ms)
