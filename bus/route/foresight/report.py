"""A preview told to people: as text, as JSON, and as one HTML page that needs nothing else. In each language."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bus.agreements.finding import number, reason_words, words_of
from bus.model.reasons import Reason
from bus.route.foresight.estimate import CONFIDENCE, Estimate
from bus.route.foresight.found import OUTCOMES, Foresight

_REASONS = {one.value: one for one in Reason}

TABLES = ("fields_released", "fields_changed", "reasons_erased", "reasons_withheld")


@dataclass(frozen=True, slots=True)
class Told:
    """What a preview found, what differs in the text, what the text says, and the language to tell it in.

    `meanings` are those of the view's fields in that language, where they have words in it. `revision` names the text,
    `moment` says when it was asked.
    """

    found: Foresight
    difference: Sequence[str]
    sentence: str
    language: str
    meanings: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""
    moment: str = ""

    @property
    def words(self) -> Mapping[str, str]:
        """The words of the language."""
        words: Mapping[str, str] = words_of(self.language)["preview"]
        return words

    def count(self, count: int) -> str:
        """A count for people; with a sample, what it says of all records."""
        one = self.found.of_all(count)
        return self.number(f"{one.nearest:,}" if one.exact else f"≈ {one.nearest:,} ({one.low:,} – {one.high:,})")

    def number(self, written: str) -> str:
        """A number as people of the language write it."""
        return number(written, self.language)


def as_json(told: Told) -> dict[str, Any]:
    """The whole preview; no personal value is in it. With a sample, counts are the sample's, beside `estimates`."""
    found = told.found
    return {
        "agreement": found.agreement,
        "revision": told.revision,
        "asked_at": told.moment,
        "compared": not found.keyless,
        "recipient": found.recipient,
        "complete": found.complete,
        "difference": list(told.difference),
        "known": found.known,
        "judged": found.judged,
        **{name: getattr(found, name) for name in (*OUTCOMES, "resent", "if_consented", "consents_lost")},
        **{name: dict(getattr(found, name).most_common()) for name in TABLES},
        "by": found.by,
        "places": {place: dict(counts) for place, counts in sorted(found.places.items())},
        "examples": [{"what": one.what, "fields": dict(one.fields)} for one in found.examples],
        "as_of": {str(lane): dict(zip(("changes", "consents"), at, strict=True)) for lane, at in found.offsets.items()},
        "estimates": _estimates(found),
    }


def _estimates(found: Foresight) -> dict[str, Any] | None:
    """What a sample says of all records, with the error; None where everything was judged."""
    if not found.sampled:
        return None
    return {
        "confidence": CONFIDENCE,
        **{name: _estimate(found.of_all(getattr(found, name))) for name in OUTCOMES},
        **{
            name: {key: _estimate(found.of_all(count)) for key, count in getattr(found, name).items()}
            for name in TABLES
        },
        "places": {
            place: {what: _estimate(found.of_all(count)) for what, count in counts.items()}
            for place, counts in sorted(found.places.items())
        },
    }


def _estimate(one: Estimate) -> dict[str, int]:
    return {"nearest": one.nearest, "low": one.low, "high": one.high}


def as_text(told: Told) -> Iterator[str]:
    """The preview line by line: the difference in plain words first."""
    found, words = told.found, told.words
    yield from (f"• {one}" for one in told.difference or (words["none"],))
    yield f"\n{told.sentence}\n"
    yield from judged(told)
    for name, count in _totals(told):
        yield f"  {count:>10}  {name}"
    for title, rows in _tables(told):
        yield f"\n{title}"
        yield from (f"  {count:>10}  {name}" for name, count in rows)
    if found.places:
        yield from _places_as_text(told)
    if found.examples:
        yield f"\n{words['examples']}"
        for one in found.examples:
            fields = ", ".join(f"{name}: {value}" for name, value in one.fields.items())
            yield f"  {words[one.what]}: {fields}"


def as_html(told: Told) -> str:
    """One self-contained page: no script, no picture, nothing fetched."""
    found, words = told.found, told.words
    title = html.escape(words["head"].format(agreement=found.agreement))
    items = "".join(f"<li>{html.escape(one)}</li>" for one in told.difference or (words["none"],))
    kind = "note" if found.complete and not found.keyless else "warning"
    parts = [
        f"<h1>{title}</h1>",
        f"<section class=card><h2>{html.escape(words['difference'])}</h2><ul>{items}</ul></section>",
        f"<p class=sentence>{html.escape(told.sentence)}</p>",
        *(f"<p class={kind}>{html.escape(one)}</p>" for one in judged(told)),
        _tiles(told),
        *(_table(title, rows) for title, rows in _tables(told)),
        *([_places_as_html(told)] if found.places else []),
    ]
    if found.examples:
        parts.append(f"<h2>{html.escape(words['examples'])}</h2>")
        parts += [_table(words[one.what], list(one.fields.items()), level=3) for one in found.examples]
    return _PAGE.format(language=told.language, title=title, style=_STYLE, body="\n".join(parts))


_PAGE = """<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body><main>
{body}
</main></body></html>
"""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #566474; --line: #d9e0e7; --card: #f4f7fa; --mark: #0b5cad;
  --bad: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --soft: #a3b0bd; --line: #34414e; --card: #1d2731; --mark: #7db8f5;
    --bad: #f2a8a2; background: #131a21 } }
* { box-sizing: border-box }
h1, p, li, th { overflow-wrap: anywhere }
body { font: 17px/1.55 system-ui, sans-serif; color: var(--ink); margin: 0 }
main { max-width: 48rem; margin: 0 auto; padding: 2rem 1rem 4rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1.2rem }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem } h3 { font-size: 1rem; margin: 1.2rem 0 .4rem }
.card { background: var(--card); border-left: 4px solid var(--mark); border-radius: 6px; padding: .8rem 1.2rem }
.card h2 { margin-top: 0 } .card ul { margin: 0; padding-left: 1.2rem }
.sentence { color: var(--soft) } .note { font-weight: 600 } .warning { font-weight: 600; color: var(--bad) }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1rem 0 }
.tiles div { background: var(--card); border-radius: 6px; padding: .7rem .9rem }
.tiles div { display: flex; flex-direction: column-reverse; justify-content: flex-end }
.tiles dt { color: var(--soft); font-size: .9rem } .tiles dd { margin: 0; font-size: 1.35rem; font-weight: 600 }
.tiles dd small { display: block; font-size: .8rem; font-weight: 400; color: var(--soft) }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .3rem; text-align: left; vertical-align: top }
th { font-weight: 400 }
thead th { color: var(--soft); font-size: .9rem; text-align: right }
td { text-align: right; font-variant-numeric: tabular-nums }
@media print { .card, .tiles div { border: 1px solid #999 } }
"""


def judged(told: Told) -> Iterator[str]:
    """How much was looked at, in sentences."""
    found, words = told.found, told.words
    if not found.complete:
        yield words["partial"].format(done=found.lanes_done, lanes=found.lanes, judged=told.number(f"{found.judged:,}"))
    if found.sampled:
        share = 100 * found.judged / max(1, found.known)
        known, parts = told.number(f"{found.known:,}"), told.number(f"{share:.2g}")
        yield words["sampled"].format(judged=told.number(f"{found.judged:,}"), known=known, share=parts, sure=95)
    elif found.complete:
        yield words["judged"].format(judged=told.number(f"{found.judged:,}"))
    if told.revision:
        yield words["made"].format(revision=told.revision, moment=told.moment)
    if found.keyless:
        yield words["keyless"]


def _totals(told: Told) -> Iterator[tuple[str, str]]:
    for name in OUTCOMES:
        yield told.words[name], told.count(getattr(told.found, name))
    if told.found.resent:
        yield told.words["resent"], told.count(told.found.resent)
    if told.found.if_consented:
        yield told.words["if_consented"], told.count(told.found.if_consented)
    if told.found.consents_lost:
        yield told.words["consents_lost"], told.number(f"{told.found.consents_lost:,}")


def _tables(told: Told) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    found, words = told.found, told.words
    for name in TABLES:
        counts = getattr(found, name)
        if counts:
            yield words[name], [(_name(name, key, told), told.count(count)) for key, count in counts.most_common()]


def _places(told: Told) -> tuple[str, list[str], list[tuple[str, list[str]]]]:
    """The title, the heads of the columns that say something, and the counts of each place."""
    found, words = told.found, told.words
    kinds = [what for what in OUTCOMES if any(what in counts for counts in found.places.values())]
    rows = [(place, [told.count(counts[what]) for what in kinds]) for place, counts in sorted(found.places.items())]
    return words["places"].format(field=found.by), [words[what] for what in kinds], rows


def _places_as_text(told: Told) -> Iterator[str]:
    title, heads, rows = _places(told)
    wide = [max(map(len, (head, *(counts[number] for _, counts in rows)))) for number, head in enumerate(heads)]
    yield f"\n{title}"
    yield " ".join((" " * 12, *(f" {head:>{width}}" for head, width in zip(heads, wide, strict=True))))
    for place, counts in rows:
        told_counts = (f" {count:>{width}}" for count, width in zip(counts, wide, strict=True))
        yield " ".join((f"  {place:10}", *told_counts))


def _places_as_html(told: Told) -> str:
    title, heads, rows = _places(told)
    head = "".join(("<td></td>", *(f"<th scope=col>{html.escape(one)}</th>" for one in heads)))
    body = "".join(
        f"<tr><th scope=row>{html.escape(place)}</th>{''.join(f'<td>{html.escape(one)}</td>' for one in counts)}</tr>"
        for place, counts in rows
    )
    return f"<h2>{html.escape(title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _name(table: str, key: str, told: Told) -> str:
    """A reason or a field with its meaning; a field that has no words in the language as it is."""
    meaning = reason_words(_REASONS[key], told.language)[0] if table.startswith("reasons") else told.meanings.get(key)
    return key if meaning is None else f"{key}: {meaning}"


def _tiles(told: Told) -> str:
    tiles = []
    for name, count in _totals(told):
        number, _, error = count.partition(" (")
        small = f"<small>({html.escape(error)}</small>" if error else ""
        tiles.append(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(number)}{small}</dd></div>")
    return f"<dl class=tiles>{''.join(tiles)}</dl>"


def _table(title: str, rows: Sequence[tuple[str, str]], *, level: int = 2) -> str:
    cells = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows
    )
    return f"<h{level}>{html.escape(title)}</h{level}><table>{cells}</table>"
