"""The agreement as a document: its keys, what they mean, and whether the bus enforces them.

Each key says by its mark what it is: ENFORCED keys decide what the bus does; an OBLIGATION binds the recipient, is
carried to it and is not checked by the bus; SHOWN keys inform people.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

from bus.agreements.filters.parser import parse
from bus.agreements.filters.syntax import FilterUnreadable, unparse
from bus.agreements.moments import read_day
from bus.agreements.retention import duration_ms


class Mark(StrEnum):
    """What becomes of a key."""

    ENFORCED = "enforced"
    OBLIGATION = "obligation"
    SHOWN = "shown"


def _key(mark: Mark, description: str, **rest: Any) -> Any:
    return Field(description=description, json_schema_extra={"mark": mark.value}, **rest)


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, str):
            return read_day(value)
    except ValueError:
        pass
    raise PydanticCustomError("not-a-date", "a date is written YYYY-MM-DD")


def _duration(value: str) -> str:
    try:
        duration_ms(value)
    except ValueError:
        raise PydanticCustomError("not-a-duration", "a length of time is written P5Y or P30D") from None
    return value


Duration = Annotated[str, AfterValidator(_duration)]
Day = Annotated[date, BeforeValidator(_day), PlainSerializer(date.isoformat, when_used="json")]
_NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
NAME = re.compile(rf"(?=.{{1,60}}$){_NAME}")
"""What the name of an agreement matches, and that of an agency or a purpose."""

Name = Annotated[str, StringConstraints(pattern=_NAME, max_length=60)]
DatasetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*\.[a-z][a-z0-9_-]*$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
Words = dict[str, Text]
"""One text by language code; which languages are due stands in the file of agencies."""


class _Part(BaseModel):
    """Frozen, strict, and unknown keys are refused: a misspelt restriction must not vanish."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


def _purpose(value: object) -> object:
    """An agreement writes the languages beside the code."""
    if isinstance(value, Mapping) and "text" not in value:
        rest = {key: text for key, text in value.items() if key != "code"}
        return {**({"code": value["code"]} if "code" in value else {}), "text": rest}
    return value


class Purpose(_Part):
    """A code for what the data are for, and beside it the purpose in each language."""

    code: Name = _key(Mark.ENFORCED, "Short name of the purpose; travels with each record.")
    text: Words = _key(Mark.SHOWN, "The purpose in words, by language.")


class Basis(_Part):
    """Why sharing is lawful: an article of law, or the person's consent. Exactly one."""

    statutory: Text | None = _key(Mark.ENFORCED, "Code of the legal basis.", default=None)
    article: Text | None = _key(Mark.SHOWN, "The article in words; with a statutory basis.", default=None)
    consent: Literal["required"] | None = _key(Mark.ENFORCED, "`required`: nothing without consent.", default=None)


class TransformKind(StrEnum):
    """What may be done to a field before it is released."""

    YEAR = "year"
    MONTH = "month"
    PROVINCE = "province"
    MASK = "mask"
    BUCKET = "bucket"
    PSEUDONYM = "pseudonym"
    PRESENT = "present"
    AGE_OVER = "age_over"


WITH_ARGUMENT = frozenset({TransformKind.MASK, TransformKind.BUCKET, TransformKind.AGE_OVER})


def _transform(value: object) -> object:
    """`year`, or `{mask: 4}`, as an agreement writes it, to the keys of Transform."""
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, Mapping) and "kind" not in value:
        kinds = [key for key in value if key != "day"]
        if len(kinds) == 1:
            rest = {"day": value["day"]} if "day" in value else {}
            return {"kind": kinds[0], "argument": value[kinds[0]], **rest}
    return value


def _kind(value: object) -> object:
    kinds = [kind.value for kind in TransformKind]
    if value not in kinds:
        details = {"text": str(value), "allowed": ", ".join(kinds)}
        raise PydanticCustomError("unknown-transform", "no such transform", details)
    return TransformKind(str(value))


def _argument(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class Transform(_Part):
    """A change to a value before release; `argument` is the number of `mask` and `age_over`, the bounds of `bucket`."""

    kind: Annotated[TransformKind, BeforeValidator(_kind), PlainSerializer(str, when_used="json")]
    argument: Annotated[int | tuple[int | float, ...] | None, BeforeValidator(_argument)] = None
    day: Day | None = None


def _field(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class FieldRule(_Part):
    """One released field: as it is, or transformed, under its own name or another."""

    name: Text = _key(Mark.ENFORCED, "The dataset's field.")
    transform: Annotated[Transform, BeforeValidator(_transform)] | None = Field(
        default=None,
        alias="as",
        description="What is done to the value.",
        json_schema_extra={"mark": Mark.ENFORCED.value},
    )
    called: str | None = _key(
        Mark.ENFORCED, "Name in the view; the field's own if absent.", default=None, pattern=r"^[a-z][a-z0-9_]*$"
    )

    @property
    def view_name(self) -> str:
        """How the field is called in the view."""
        return self.called or self.name


class Validity(_Part):
    """The days on which the agreement holds, both included, in its time zone."""

    from_: Day = Field(alias="from", description="First day.", json_schema_extra={"mark": Mark.ENFORCED.value})
    until: Day | None = _key(Mark.ENFORCED, "Last day; without it, until ended.", default=None)


class Expectation(_Part):
    """What an example must come to: a view, or the reason for withholding."""

    release: dict[str, Any] | None = Field(default=None, description="The fields of the view, as they are given.")
    withhold: Text | None = Field(default=None, description="The reason, as the guide lists it: outside-filter.")


class Example(_Part):
    """A record, as people write it, and what the agreement must make of it."""

    given: dict[str, Any] = Field(description="The record: its fields, by their codes. What is left out is not known.")
    consent: Literal["given", "none", "withdrawn", "expired"] | None = Field(
        default=None, description="What the person has said to the agreement, where it needs consent; given if absent."
    )
    at: Day | None = Field(default=None, description="The day to judge on; the first of validity if absent.")
    note: Text | None = Field(default=None, description="What the example shows, for people.")
    expect: Expectation = Field(description="Either `release` with the view, or `withhold` with the reason.")


class DataRange(_Part):
    """How old a record may be. It is too old from the midnight on at which the days are over, in the time zone."""

    last: Duration = _key(Mark.ENFORCED, "How old a record may be at the most, in whole days: P2Y.")
    by: Text = _key(Mark.ENFORCED, "The dataset's field, a date or a time, from which its age is counted.")


def _list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Fate = Literal["erase", "keep"]
FieldRules = Annotated[
    tuple[Annotated[FieldRule, BeforeValidator(_field)], ...], BeforeValidator(_list), Field(min_length=1)
]
Examples = Annotated[tuple[Example, ...], BeforeValidator(_list)]


class AgreementDocument(_Part):
    """One sharing rule. `model_dump(mode="json")` and `model_validate` are inverse: so it travels in facts."""

    id: Name = _key(Mark.ENFORCED, "Name of the agreement; also that of its file.")
    title: Words = _key(Mark.SHOWN, "Title, by language.")
    description: Words | None = _key(Mark.SHOWN, "More about it, by language.", default=None)
    dataset: DatasetName = _key(Mark.ENFORCED, "What is shared: registry.dataset.")
    recipient: Name = _key(Mark.ENFORCED, "The agency that receives.")
    purpose: Annotated[Purpose, BeforeValidator(_purpose)] = _key(Mark.ENFORCED, "What the data are for.")
    basis: Basis = _key(Mark.ENFORCED, "Why sharing is lawful.")
    identifier: Literal["personal-id", "pseudonym", "none"] = _key(
        Mark.ENFORCED,
        "How people are named: by personal id, by a pseudonym of this recipient's own, or (no people) not at all.",
    )
    filter: str | None = _key(Mark.ENFORCED, "Which records; without it, all.", default=None)
    fields: FieldRules = _key(Mark.ENFORCED, "What is released of a record, in this order.")
    max_category: Literal["public", "personal", "sensitive"] = _key(
        Mark.ENFORCED, "The most guarded category that the fields may have.", default="personal"
    )
    retention: Duration | None = _key(Mark.ENFORCED, "How long the recipient may keep a copy, as P5Y.", default=None)
    valid: Validity = _key(Mark.ENFORCED, "When it holds.")
    timezone: str = _key(Mark.ENFORCED, "The time zone of its days.", default="UTC")
    on_scope_exit: Fate = _key(
        Mark.ENFORCED, "What becomes of a copy whose record left the filter, or is too old.", default="erase"
    )
    on_end: Fate = _key(Mark.ENFORCED, "What becomes of copies at the end of validity or retention.", default="erase")
    frequency: Literal["daily", "weekly", "monthly"] | None = _key(
        Mark.ENFORCED,
        "How often a copy may be brought up to date; of several versions the newest counts. Without it, at once.",
        default=None,
    )
    data_range: DataRange | None = _key(Mark.ENFORCED, "How old a record may be, by a field of its own.", default=None)
    major: int = _key(
        Mark.ENFORCED,
        "Major version of the flow. A higher one is a topic of its own, where readers could not follow a new view.",
        default=1,
        ge=1,
        le=999,
    )
    onward_transfer: Annotated[tuple[Name, ...], BeforeValidator(_list)] = _key(
        Mark.OBLIGATION, "Agencies to which the recipient may pass it on.", default=()
    )
    dpia: Text | None = _key(Mark.SHOWN, "Reference of the impact assessment.", default=None)
    contact: Text | None = _key(Mark.SHOWN, "Whom to ask.", default=None)
    examples: Examples = _key(Mark.SHOWN, "Records and what must become of them.", default=())

    @property
    def obligations(self) -> dict[str, Any]:
        """What binds the recipient and cannot be enforced here, by key."""
        marks = {
            name: info.json_schema_extra.get("mark")
            for name, info in type(self).model_fields.items()
            if isinstance(info.json_schema_extra, dict)
        }
        dumped = self.model_dump(mode="json")
        return {name: dumped[name] for name, mark in marks.items() if mark == Mark.OBLIGATION.value}

    @property
    def needs_consent(self) -> bool:
        """Whether the basis is the person's consent."""
        return self.basis.consent is not None

    @property
    def pseudonymous(self) -> bool:
        """Whether people are named by pseudonym."""
        return self.identifier == "pseudonym"


_NO_PART_OF_THE_MEANING = {"examples", "contact"}


def canonical(document: AgreementDocument) -> str:
    """What the agreement means, as one text: JSON with sorted keys, defaults left out, the filter in one spelling."""
    meaning = document.model_dump(mode="json", exclude=_NO_PART_OF_THE_MEANING, exclude_defaults=True)
    if document.filter is not None:
        meaning["filter"] = _one_spelling(document.filter)
    return json.dumps(meaning, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def revision(document: AgreementDocument) -> str:
    """The name of this text of the agreement: 16 hex digits of the SHA-256 of its canonical form."""
    return sha256(canonical(document).encode()).hexdigest()[:16]


def _one_spelling(text: str) -> str:
    try:
        return unparse(parse(text))
    except FilterUnreadable:
        return text
