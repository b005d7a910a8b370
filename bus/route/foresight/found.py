"""What a preview has found so far. It may be read at any moment, also after the preview was broken off."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bus.route.foresight.estimate import Estimate, estimate

OUTCOMES = ("released", "changed", "erased", "unchanged")


@dataclass(frozen=True, slots=True)
class Example:
    """One record that would be told otherwise: what would happen, and the view's fields, masked."""

    what: str
    fields: Mapping[str, str]


@dataclass(slots=True)
class Foresight:
    """What would happen, counted. With a sample the counts are the sample's: see `of_all`.

    `keys` are kept only where they are asked for: they may name people.
    """

    agreement: str
    recipient: str
    lanes: int
    by: str | None = None
    """The field of the dataset by whose values records are counted, a province for instance."""

    most_examples: int = 3
    """Of each kind."""

    sample: int | None = None
    """About how many records are to be judged, drawn by chance; None for all."""

    keyless: bool = False
    """Whether it was made without the bus's root key: then no copy that is held can be compared, and each counts as
    changed."""

    lanes_done: int = 0
    known: int = 0
    """The records of the dataset in the lanes looked at so far."""

    judged: int = 0
    released: int = 0
    erased: int = 0
    changed: int = 0
    unchanged: int = 0
    resent: int = 0
    """Of the changed: those whose values stay, and which are sent again because the view's schema is another."""

    if_consented: int = 0
    """Of the withheld: those that lack nothing but the person's consent."""

    consents_lost: int = 0
    """People; counted over all of them, also where records are sampled."""

    fields_released: Counter[str] = field(default_factory=Counter)
    fields_changed: Counter[str] = field(default_factory=Counter)
    reasons_erased: Counter[str] = field(default_factory=Counter)
    reasons_withheld: Counter[str] = field(default_factory=Counter)
    places: dict[str, Counter[str]] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    keys: dict[str, set[bytes]] | None = None
    """Keys in the agency's topic, by 'released', 'changed' and 'erased'."""

    offsets: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By lane: the offset of the dataset's changes, and of the consents, as of which it was judged."""

    @property
    def complete(self) -> bool:
        """Whether every lane was looked at; otherwise the counts are those of the part that was."""
        return self.lanes_done == self.lanes

    @property
    def sampled(self) -> bool:
        """Whether fewer records were judged than there are."""
        return self.sample is not None and self.judged < self.known

    def of_all(self, count: int) -> Estimate:
        """What a count of the judged records says of all known ones; exact without a sample."""
        return estimate(count, self.judged, self.known) if self.sampled else Estimate(count, count, count)
