"""What a caller may send: acts of citizens as JSON, read strictly; what is wrong is told with place and remedy.

No sentence repeats what was sent: a caller's log must not come to hold personal ids by way of our answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from bus.clock import parse_iso
from bus.consent.messages import LONGEST
from bus.errors import ActsRefused
from bus.model.consent import ConsentAction, GivenBy

MOST_ACTS = 10_000
"""In one request; more are sent in several."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where (`[3].agreement`), why, and what to do about it."""

    place: str
    reason: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """As an answer holds it."""
        return {"place": self.place, "reason": self.reason, "remedy": self.remedy}


def refused(findings: Sequence[Finding]) -> ActsRefused:
    """The error that tells these findings."""
    return ActsRefused(count=len(findings), findings=tuple(findings))


def _moment(value: object) -> object:
    try:
        if isinstance(value, str):
            return parse_iso(value)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("not-a-moment", "this is no time with an offset from UTC")


def _symbol(kind: type[ConsentAction | GivenBy]) -> BeforeValidator:
    def symbol(value: object) -> object:
        if isinstance(value, str) and value in kind.__members__:
            return kind(value)
        raise PydanticCustomError("not-a-symbol", "this is none of {allowed}", {"allowed": ", ".join(kind)})

    return BeforeValidator(symbol)


def _most(name: str) -> int:
    """How many characters a text of an event may have: whatever they are, its bytes find room in its records."""
    return LONGEST[name] // 4


Moment = Annotated[int, BeforeValidator(_moment)]
Subject = Annotated[str, StringConstraints(pattern=r"^[^/\s\p{C}\p{DI}\x{2800}]+$", max_length=_most("subject"))]
"""Without what nobody sees: a withdrawal under an id with a blank of no width would be somebody else's."""

EventId = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=LONGEST["event_id"])]
AgreementName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST["agreement"])]
Revision = Annotated[str, StringConstraints(min_length=1, max_length=_most("revision"))]
Proof = Annotated[str, StringConstraints(min_length=1, max_length=_most("proof"), strip_whitespace=True)]


class Act(BaseModel):
    """What one person did about one agreement. Times are milliseconds since 1970, RFC 3339 in JSON."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    event_id: EventId = Field(description="Unique, made by the caller: sent again, it changes nothing.")
    subject: Subject = Field(description="The personal id.")
    agreement: AgreementName = Field(description="What is consented to.")
    revision: Revision | None = Field(
        default=None, description="The text that the person was shown; without it, the one in force."
    )
    action: Annotated[ConsentAction, _symbol(ConsentAction)] = Field(description="GIVE or WITHDRAW.")
    given_by: Annotated[GivenBy, _symbol(GivenBy)] = Field(description="SELF, GUARDIAN or COUNTER.")
    proof: Proof = Field(description="Where the evidence lies.")
    valid_from: Moment | None = Field(default=None, description="From when a GIVE holds; without it, at once.")
    valid_until: Moment | None = Field(default=None, description="Until when; without it, until withdrawn.")
    at: Moment | None = Field(default=None, description="When the person acted; without it, now.")


_REMEDIES: Mapping[str, str] = {
    "missing": "Add it.",
    "extra_forbidden": f"Leave it out. Known: {', '.join(Act.model_fields)}.",
    "string_type": "Send a text.",
    "string_too_short": "Send a text that is not empty.",
    "string_too_long": "Send a shorter text.",
    "not-a-moment": "Send RFC 3339 with an offset, such as 2026-03-01T08:00:00+07:00.",
    "not-a-symbol": "Send one of these, in capitals.",
    "model_type": "Send a JSON object.",
}
_PATTERNS: Mapping[str, str] = {
    "subject": "Send the personal id alone, without spaces, slashes or characters that nobody sees.",
    "event_id": "Send printable ASCII without spaces, such as a UUID.",
}


def read_acts(body: Any) -> tuple[Act, ...]:
    """The acts in a parsed body, an object or a list of them. Raises ActsRefused with every finding."""
    listed = body if isinstance(body, list) else [body]
    if len(listed) > MOST_ACTS:
        remedy = f"Send at most {MOST_ACTS} in one request."
        raise refused((Finding("", f"the list has {len(listed)} entries", remedy),))
    acts: list[Act] = []
    findings: list[Finding] = []
    for number, one in enumerate(listed):
        try:
            acts.append(Act.model_validate(one))
        except ValidationError as error:
            place = f"[{number}]" if isinstance(body, list) else ""
            findings += [_finding(place, details) for details in error.errors(include_url=False, include_input=False)]
    if findings:
        raise refused(findings)
    return tuple(acts)


def read_subject(text: str) -> str:
    """A personal id, of the form that acts name it in. Raises ActsRefused: of another one, nothing could be known."""
    try:
        return TypeAdapter(Subject).validate_python(text, strict=True)
    except ValidationError as error:
        (details,) = error.errors(include_url=False, include_input=False)
        raise refused([_finding("", {**details, "loc": ("subject",)})]) from None


def join(place: str, name: str) -> str:
    """A place inside a place: `[3]` and `agreement` make `[3].agreement`."""
    return f"{place}.{name}" if place and name else place or name


def _finding(place: str, details: Mapping[str, Any]) -> Finding:
    name = ".".join(str(part) for part in details["loc"])
    kind = details["type"]
    remedy = _PATTERNS.get(name) if kind == "string_pattern_mismatch" else _REMEDIES.get(kind)
    reason = "it is not of the form that is due" if kind == "string_pattern_mismatch" else _lower(details["msg"])
    return Finding(join(place, name), reason, remedy or "Send what bus/citizen/README.md describes.")


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
