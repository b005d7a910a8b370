"""The rules of a moment: the register's agreements, compiled. Immutable; pinned for a transaction."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from bus.agreements.calendar import Calendar
from bus.agreements.compile import closed_route, compile_route, hides_ids
from bus.agreements.document import AgreementDocument
from bus.agreements.route import Route
from bus.avro.codec import Parsed, encode, parse
from bus.avro.datasets import Dataset, dataset_of
from bus.avro.frame import frame
from bus.avro.slicer import cutter
from bus.errors import BusError, FieldMissing, FilterError, SaltWrong, ValueMisfit
from bus.model.keyring import KeyRing
from bus.register.epochs import FIRST_EPOCH, Epoch
from bus.register.state import AgreementEntry, RegisterState, Standing
from bus.route.seen import Seen, Sight
from bus.telemetry import Event, emit

ANSWERS_KEPT = 4096
"""Answers of a filter that are remembered: enough for fields that tell a status or a place."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """An agreement that can be obeyed: its route, its standing, and its view's schema ready to encode."""

    route: Route
    standing: Standing
    view: Parsed
    partitions: int
    pseudonym: Callable[[str], str]
    """How a value stands where this recipient must not see it."""

    epoch: int = 0
    """The epoch of the recipient's pseudonyms; 0 where the agreement makes none."""

    backfill: int = 0
    """The fact that asked for every record to be judged again; 0 when none did."""

    closed: bool = False
    """It could not be compiled: it stands as suspended, so that what ends a copy ends it all the same."""

    head: bytes = field(init=False)
    """The frame of a view."""

    _cut: Callable[[bytes, tuple[int, ...]], bytes] | None = field(init=False, repr=False)
    _filtered_by: Callable[[bytes, tuple[int, ...]], bytes] | None = field(init=False, repr=False)
    _answers: dict[bytes, bool | FilterError] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        route, head = self.route, frame(self.route.view_schema_id, b"")
        made: dict[str, object] = {
            "head": head,
            "_cut": None if route.cuts is None else cutter(head, route.cuts),
            "_filtered_by": None if route.filtered_by is None else cutter(b"", route.filtered_by),
            "_answers": {},
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def cut(self, seen: Seen) -> bytes:
        """What the recipient gets of a record, framed. Raises FieldMissing."""
        if self._cut is None or seen.bounds is None:
            return self._made(seen)
        return self._cut(seen.value, seen.bounds)

    def _made(self, seen: Seen) -> bytes:
        """The view of a record that is not cut. Raises FieldMissing, for one too that has its fields in name only."""
        try:
            return self.head + encode(self.view, self.route.view(seen.record))
        except ValueMisfit:
            raise FieldMissing(field="the view", agreement=self.route.agreement) from None

    def admits(self, seen: Seen) -> bool:
        """Whether the filter lets a record through. Raises FilterError.

        What it answered is remembered by the bytes of the fields that it reads: nothing else can change the answer.
        """
        if not self.route.filtered:
            return True
        if self._filtered_by is None or seen.bounds is None:
            return self.route.admits(seen.record)
        read = self._filtered_by(seen.value, seen.bounds)
        answer = self._answers.get(read)
        if answer is None:
            answer = self._ask(read, seen)
        if answer is True or answer is False:
            return answer
        raise answer

    def _ask(self, read: bytes, seen: Seen) -> bool | FilterError:
        try:
            answer: bool | FilterError = self.route.admits(seen.record)
        except FilterError as error:
            answer = error.with_traceback(None)
        if len(self._answers) >= ANSWERS_KEPT:
            self._answers.clear()
        self._answers[read] = answer
        return answer

    def phase(self, now_ms: int) -> str:
        """Where `now` lies against the agreement's validity."""
        if now_ms < self.route.valid_from_ms:
            return "before"
        over = self.route.valid_until_ms is not None and now_ms >= self.route.valid_until_ms
        return "over" if over else "within"

    def standing_text(self, now_ms: int) -> str:
        """Names everything in the rule that can change what is released: when it changes, all records are judged."""
        asked = f".{self.backfill}" if self.backfill else ""
        renewed = f".e{self.epoch}" if self.epoch > 1 else ""
        return f"{self.route.number}.{self.route.revision}.{self.standing}.{self.phase(now_ms)}{asked}{renewed}"

    def sweep_text(self, now_ms: int) -> str | None:
        """Names the day and the span of the frequency: with each new one, copies held are judged anew; None: never."""
        spans = self._spans(now_ms)
        return ".".join(str(one.begin(now_ms)) for one in spans) if spans else None

    def next_phase_ms(self, now_ms: int) -> int | None:
        """When the phase or the day of a sweep changes next, or None."""
        moments = [self.route.valid_from_ms, self.route.valid_until_ms]
        moments += [one.next_ms(now_ms) for one in self._spans(now_ms)]
        return min((moment for moment in moments if moment is not None and moment > now_ms), default=None)

    def _spans(self, now_ms: int) -> list[Calendar]:
        if self.standing is not Standing.ACTIVE or self.phase(now_ms) != "within":
            return []
        return [one for one in (self.route.days, self.route.frequency) if one is not None]


@dataclass(frozen=True, slots=True, eq=False)
class Standings:
    """How all rules stand from a moment to before another: in between nothing of it changes by itself."""

    since_ms: int
    until_ms: int | None
    texts: Mapping[str, str]
    """By agreement, see `Rule.standing_text`."""

    sweeps: tuple[tuple[Rule, str], ...]
    """Those that are looked at again with the days, see `Rule.sweep_text`."""

    def hold(self, now_ms: int) -> bool:
        """Whether they are those of that moment."""
        return self.since_ms <= now_ms and (self.until_ms is None or now_ms < self.until_ms)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules as of the facts below `offset`."""

    offset: int = 0
    rules: Mapping[str, Rule] = field(default_factory=dict)
    of_dataset: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    has_subject: Mapping[str, bool] = field(default_factory=dict)
    sights: Mapping[str, Sight] = field(default_factory=dict)
    """By dataset: how records of its schema are seen; others are decoded whole."""

    _known: list[Standings] = field(default_factory=list, init=False, repr=False, compare=False)

    def standings(self, now_ms: int) -> Standings:
        """How they stand at a moment: worked out anew only when one of them has changed."""
        if not self._known or not self._known[0].hold(now_ms):
            rules = self.rules.values()
            moments = [moment for rule in rules if (moment := rule.next_phase_ms(now_ms)) is not None]
            self._known[:] = [
                Standings(
                    since_ms=now_ms,
                    until_ms=min(moments, default=None),
                    texts={name: rule.standing_text(now_ms) for name, rule in self.rules.items()},
                    sweeps=tuple((rule, text) for rule in rules if (text := rule.sweep_text(now_ms)) is not None),
                )
            ]
        return self._known[0]


class RuleBook:
    """Compiles the register into rules; what has not changed is not compiled again."""

    def __init__(self, keyring: KeyRing, *, lanes: int, pseudonymous_partitions: int) -> None:
        self._keyring = keyring
        self._lanes = lanes
        self._pseudonymous_partitions = pseudonymous_partitions
        self._compiled: dict[str, tuple[tuple[AgreementEntry, int, Epoch], Rule]] = {}
        self._datasets: dict[str, tuple[int, Dataset]] = {}
        self._sights: dict[str, tuple[tuple[int, frozenset[str]], Sight]] = {}

    def compile(self, state: RegisterState) -> Rules:
        """The rules of a state. An agreement that cannot be compiled lets nothing through, and is reported.

        Its copies are erased as those of a suspended one; when it can be compiled, all its records are judged again.
        """
        datasets = {name: self._dataset(name, state) for name in state.datasets}
        rules: dict[str, Rule] = {}
        for entry in state.agreements.values():
            try:
                rules[entry.agreement] = self._rule(entry, datasets, state)
            except (BusError, KeyError, ValueError, ArithmeticError) as error:
                emit(Event.FACT_IGNORED, agreement=entry.agreement, reason=type(error).__name__)
                if entry.document["dataset"] in datasets:
                    rules[entry.agreement] = self._closed(entry)
        of_dataset: dict[str, list[Rule]] = defaultdict(list)
        for rule in rules.values():
            of_dataset[rule.route.dataset].append(rule)
        return Rules(
            state.offset,
            rules,
            {name: tuple(listed) for name, listed in of_dataset.items()},
            {name: dataset.subject is not None for name, dataset in datasets.items()},
            {name: self._sight(name, listed) for name, listed in of_dataset.items()},
        )

    def _sight(self, name: str, rules: Iterable[Rule]) -> Sight:
        schema_id, dataset = self._datasets[name]
        key = (schema_id, frozenset[str]().union(*(rule.route.reads for rule in rules)))
        known = self._sights.get(name)
        if known is None or known[0] != key:
            known = self._sights[name] = (key, Sight.of(dataset, *key))
        return known[1]

    def _dataset(self, name: str, state: RegisterState) -> Dataset:
        entry = state.datasets[name]
        known = self._datasets.get(name)
        if known is None or known[0] != entry.schema_id:
            known = self._datasets[name] = (entry.schema_id, dataset_of(dict(entry.schema), place=name))
        return known[1]

    def _rule(self, entry: AgreementEntry, datasets: Mapping[str, Dataset], state: RegisterState) -> Rule:
        # the numbers of the fields that are cut out are those of the dataset's schema: a new one compiles anew
        epoch = state.epochs.get(entry.document["recipient"], FIRST_EPOCH)
        key = (entry, self._datasets[entry.document["dataset"]][0], epoch)
        known = self._compiled.get(entry.agreement)
        if known is None or known[0] != key:
            known = self._compiled[entry.agreement] = (key, self._compile(entry, datasets, epoch))
        rule = known[1]
        standing, backfill = state.standing_of(entry), state.backfills.get(entry.agreement, 0)
        if (rule.standing, rule.backfill) == (standing, backfill):
            return rule
        return replace(rule, standing=standing, backfill=backfill)

    def _closed(self, entry: AgreementEntry) -> Rule:
        route = closed_route(
            AgreementDocument.model_validate(entry.document),
            number=entry.number,
            topic=entry.topic,
            view_schema_id=entry.view_schema_id,
            accepted_revisions=entry.accepted_revisions,
            consent_basis_code=entry.consent_basis,
        )
        standing = entry.standing if entry.standing is Standing.ENDED else Standing.SUSPENDED
        return Rule(route, standing, parse(route.view_schema), self._lanes, _never, closed=True)

    def _compile(self, entry: AgreementEntry, datasets: Mapping[str, Dataset], epoch: Epoch) -> Rule:
        document = AgreementDocument.model_validate(entry.document)
        hides = hides_ids(document, datasets[document.dataset])
        pseudonym = self._pseudonyms(document.recipient, epoch) if hides else _never
        route = compile_route(
            document,
            datasets[document.dataset],
            number=entry.number,
            topic=entry.topic,
            view_schema_id=entry.view_schema_id,
            pseudonym=pseudonym,
            accepted_revisions=entry.accepted_revisions,
            no_wider=entry.no_wider,
            consent_basis_code=entry.consent_basis,
        )
        partitions = self._pseudonymous_partitions if route.pseudonymous else self._lanes
        view = parse(route.view_schema, schema_id=entry.view_schema_id)
        return Rule(route, entry.standing, view, partitions, pseudonym, epoch.number if hides else 0)

    def _pseudonyms(self, recipient: str, epoch: Epoch) -> Callable[[str], str]:
        """Raises SaltMissing, and SaltWrong for a salt that is not the one the epoch was begun with."""
        if epoch.check not in {None, self._keyring.pseudonym_check(recipient, epoch.number)}:
            raise SaltWrong(recipient=recipient, epoch=epoch.number)
        return self._keyring.pseudonyms(recipient, epoch.number)


def _never(value: str) -> str:
    del value
    raise AssertionError("an agreement that shows every id has asked for a pseudonym")
