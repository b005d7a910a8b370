"""A preview told to people: as text, as JSON, and as one HTML page that needs nothing else. In each language."""

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bus.agreements.finding import words_of
from bus.route.foresight import Foresight

TOTALS = ("released", "changed", "erased", "unchanged")
TABLES = ("fields_released", "fields_changed", "reasons_erased", "reasons_withheld")


def as_json(found: Foresight, difference: Sequence[str]) -> dict[str, Any]:
    """The whole preview; no personal value is in it."""
    return {
        "agreement": found.agreement,
        "recipient": found.recipient,
        "complete": found.complete,
        "difference": list(difference),
        "judged": found.judged,
        **{name: getattr(found, name) for name in (*TOTALS, "consents_lost")},
        **{name: dict(getattr(found, name).most_common()) for name in TABLES},
        "by": found.by,
        "places": {place: dict(counts) for place, counts in sorted(found.places.items())},
        "examples": [{"what": one.what, "fields": dict(one.fields)} for one in found.examples],
    }


def as_text(found: Foresight, difference: Sequence[str], recipient: str, language: str) -> Iterator[str]:
    """The preview line by line: the difference in plain words first."""
    words = words_of(language)["preview"]
    yield from (f"• {one}" for one in difference)
    yield f"\n{words['head'].format(recipient=recipient, agreement=found.agreement)}"
    yield _judged(found, words)
    for name in TOTALS:
        yield f"  {getattr(found, name):>10,}  {words[name]}"
    if found.consents_lost:
        yield f"  {found.consents_lost:>10,}  {words['consents_lost']}"
    for title, rows in _tables(found, words):
        yield f"\n{title}"
        yield from (f"  {count:>10}  {name}" for name, count in rows)
    if found.examples:
        yield f"\n{words['examples']}"
        for one in found.examples:
            told = ", ".join(f"{name}: {value}" for name, value in one.fields.items())
            yield f"  {words[one.what]}: {told}"


def as_html(found: Foresight, difference: Sequence[str], recipient: str, language: str) -> str:
    """One self-contained page: no script, no picture, nothing fetched."""
    words = words_of(language)["preview"]
    head = html.escape(words["head"].format(recipient=recipient, agreement=found.agreement))
    items = "".join(f"<li>{html.escape(one)}</li>" for one in difference) or f"<li>{html.escape(words['none'])}</li>"
    totals = [(words[name], f"{getattr(found, name):,}") for name in (*TOTALS, "consents_lost")]
    parts = [
        f"<h1>{head}</h1>",
        f"<h2>{html.escape(words['difference'])}</h2><ul>{items}</ul>",
        f"<p>{html.escape(_judged(found, words))}</p>",
        _table(totals),
        *(f"<h2>{html.escape(title)}</h2>{_table(rows)}" for title, rows in _tables(found, words)),
    ]
    if found.examples:
        parts.append(f"<h2>{html.escape(words['examples'])}</h2>")
        parts += [
            f"<h3>{html.escape(words[one.what])}</h3>{_table(list(one.fields.items()))}" for one in found.examples
        ]
    return _PAGE.format(language=language, head=head, body="\n".join(parts))


_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{head}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b }}
h1 {{ font-size: 1.4rem }} h2 {{ font-size: 1.1rem; margin-top: 2rem }} h3 {{ font-size: 1rem; font-weight: 600 }}
table {{ border-collapse: collapse; width: 100% }} td {{ border-bottom: 1px solid #ddd; padding: .3rem .5rem }}
td + td {{ text-align: right; font-variant-numeric: tabular-nums }}
</style></head><body>
{body}
</body></html>
"""


def _judged(found: Foresight, words: Mapping[str, str]) -> str:
    if found.complete:
        return words["judged"].format(judged=f"{found.judged:,}")
    return words["partial"].format(done=found.lanes_done, lanes=found.lanes, judged=f"{found.judged:,}")


def _tables(found: Foresight, words: Mapping[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for name in TABLES:
        counts = getattr(found, name)
        if counts:
            yield words[name], [(key, f"{count:,}") for key, count in counts.most_common()]
    if found.places:
        rows = [
            (place, ", ".join(f"{words[what]} {count:,}" for what, count in counts.items()))
            for place, counts in sorted(found.places.items())
        ]
        yield words["places"].format(field=found.by), rows


def _table(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"
