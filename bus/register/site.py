"""The published register of agreements as files: pages in each language, a JSON Lines file, the texts. Pure.

The pages need no server, fetch nothing and set nothing; the search is a few lines of script in the index.
"""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from bus.agreements.agencies import Agencies, LegalBasis
from bus.agreements.document import revision
from bus.agreements.finding import LANGUAGES, words_of
from bus.agreements.jsonschema import schema_file, schema_text
from bus.agreements.moments import day_of
from bus.agreements.sentence import article_words, filter_words, length, sentence, transform_words
from bus.agreements.written import as_written
from bus.avro.said import PlainNames
from bus.clock import iso
from bus.register.counted import NOBODY
from bus.register.published import OVER, UNPUBLISHED, Published, Step, public_text
from bus.register.state import Standing

LINES = "agreements.jsonl"
_PARTS = files("bus.register.pages")
_STYLE = _PARTS.joinpath("style.css").read_text(encoding="utf-8")
_SCRIPT = f"\n{_PARTS.joinpath('search.js').read_text(encoding='utf-8')}"
_SEARCH = f"<script>{_SCRIPT}</script>"
_SCRIPTS = f"'sha256-{b64encode(sha256(_SCRIPT.encode()).digest()).decode()}'"
"""The one script that a browser runs on these pages, whatever somebody wrote into a title or a reason."""

_COLUMNS = ("field", "given", "category", "meaning")
_PAGE = """<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src {scripts}; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
{style}</style></head>
<body><a class=skip href="#main">{skip}</a>
<header><nav>{others}</nav></header>
<main id=main>{body}</main>
<footer><p>{made}<br><a href="{lines}">{machine}</a></p></footer>
{script}</body></html>
"""


@dataclass(frozen=True, slots=True)
class Site:
    """What is published, and as of when: the number of facts in the register, and the time when it was read."""

    agreements: Sequence[Published]
    agencies: Agencies
    bases: Mapping[str, LegalBasis]
    offset: int
    at_ms: int

    @property
    def languages(self) -> tuple[str, ...]:
        """Those of the country, the first of which greets."""
        return self.agencies.languages


def site_files(site: Site) -> Iterator[tuple[str, str]]:
    """Every file, as (path, text)."""
    for language in site.languages:
        page = Page(site, language)
        yield f"{language}/index.html", page.index("")
        for one in site.agreements:
            yield f"{language}/{one.id}.html", page.agreement(one)
    yield "index.html", Page(site, site.languages[0]).index(f"{site.languages[0]}/")
    yield LINES, "".join(f"{json.dumps(line(one), ensure_ascii=False)}\n" for one in site.agreements)
    yield from ((schema_file(language), schema_text(language)) for language in LANGUAGES)
    for one in site.agreements:
        for key, text in one.texts.items():
            yield f"texts/{one.id}-{key}.yaml", as_written(text.model_copy(update=UNPUBLISHED))


def line(one: Published) -> dict[str, Any]:
    """An agreement for programs."""
    return {
        "id": one.id,
        "number": one.entry.number,
        "state": one.state,
        "revision": one.entry.revision,
        "text": public_text(one.document),
        "history": [
            {
                "at": iso(step.at_ms),
                "action": step.action,
                "agency": step.agency or None,
                "role": step.role,
                "key": step.key,
                "key_anew": step.anew,
                "reason": step.reason,
                "revision": step.revision,
            }
            for step in one.steps
        ],
    }


class Page:
    """Pages in one language."""

    def __init__(self, site: Site, language: str) -> None:
        self._site = site
        self._language = language
        self._words = words_of(language)
        self._site_words: Mapping[str, Any] = self._words["site"]

    # --- the index ----------------------------------------------------------------------------------------------------

    def index(self, folder: str) -> str:
        """All agreements, to be searched. `folder` leads from the page to those of its language."""
        words = self._site_words
        up = "" if folder else "../"
        body = "".join(
            (
                f"<h1>{escape(words['title'])}</h1><p class=lead>{escape(words['lead'])}</p>",
                self._search(),
                "<ul class=cards id=cards>",
                *(self._card(one, folder) for one in self._site.agreements),
                f"</ul><p id=nothing hidden>{escape(words['nothing'])}</p>",
            )
        )
        return self._whole(words["title"], body, up, "index.html", _SEARCH)

    def _search(self) -> str:
        words, states = self._site_words, sorted({one.state for one in self._site.agreements})
        recipients = sorted({(self._agency(one.document.recipient), one.document.recipient) for one in self._all()})
        return (
            f"<form id=search role=search hidden><label class=wide>{escape(words['search'])}"
            f'<input type=search id=q placeholder="{escape(words["search-hint"])}"></label>'
            + self._choice("state", [(self._words["stages"][state], state) for state in states])
            + self._choice("ground", [(words["by-law"], "law"), (words["by-consent"], "consent")])
            + self._choice("recipient", recipients)
            + f"<p aria-live=polite>{escape(words['count'])} "
            f"<strong id=count>{len(self._site.agreements)}</strong></p></form>"
        )

    def _choice(self, name: str, options: Sequence[tuple[str, str]]) -> str:
        words = self._site_words
        listed = "".join(f'<option value="{escape(value)}">{escape(shown)}</option>' for shown, value in options)
        every = escape(words["all"])
        return (
            f'<label>{escape(words[name])}<select id={name}><option value="">{every}</option>{listed}</select></label>'
        )

    def _card(self, one: Published, folder: str) -> str:
        document = one.document
        ground = "consent" if document.needs_consent else "law"
        said = self._sentence(one)
        names = " ".join(f"{rule.name} {rule.view_name}" for rule in document.fields)
        text = escape(f"{one.id} {self._title(one)} {said} {names} {document.dataset}", quote=True)
        return (
            f'<li class=card data-state="{one.state}" data-ground={ground} data-recipient="{document.recipient}"'
            f' data-text="{text}"><h2><a href="{folder}{one.id}.html">{escape(self._title(one))}</a></h2>'
            f"<p>{self._flow(one)}</p><p class=pills>{self._state(one)}"
            f"<span class=pill>{escape(self._site_words[f'by-{ground}'])}</span></p></li>"
        )

    # --- one agreement ------------------------------------------------------------------------------------------------

    def agreement(self, one: Published) -> str:
        """All about one."""
        words, document = self._site_words, one.document
        description = (document.description or {}).get(self._language)
        body = "".join(
            (
                f"<p class=back><a href=index.html>← {escape(words['back'])}</a></p>",
                f"<h1>{escape(self._title(one))}</h1><p class=pills>{self._state(one)}<code>{one.id}</code></p>",
                f"<p>{escape(description)}</p>" if description else "",
                f"<section class=short><h2>{escape(words['in-short'])}</h2>",
                f"<p>{escape(self._sentence(one))}</p></section>",
                f"<h2>{escape(words['terms'])}</h2><dl class=terms>",
                *(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in self._terms(one)),
                f"</dl><h2 id=fields>{escape(words['fields'])}</h2>{self._fields(one)}",
                f"<h2>{escape(words['history'])}</h2><ol class=history>{''.join(map(self._step, one.steps))}</ol>",
                f"<h2>{escape(words['texts'])}</h2><ul class=texts>{self._texts(one)}</ul>",
            )
        )
        return self._whole(self._title(one), body, "../", f"{one.id}.html", "")

    def _terms(self, one: Published) -> Iterator[tuple[str, str]]:
        """Each term's name, and what it says as HTML."""
        words, document = self._site_words, one.document
        yield words["recipient"], escape(self._agency(document.recipient))
        code, owner = f"<code>{document.dataset}</code>", escape(self._owner(document.dataset))
        yield words["dataset"], f"{escape(self._record(one))} {code} · {owner}"
        yield words["purpose"], escape(document.purpose.text.get(self._language, document.purpose.code))
        yield words["basis"], self._basis(one)
        yield words["people"], escape(self._words["sentence"][document.identifier])
        yield words["which"], self._which(one)
        kept = length(document.retention, self._language) if document.retention else words["no-term"]
        yield words["keeping"], escape(kept)
        first, last = document.valid.from_, document.valid.until
        days = words["from-until"].format(start=first, end=last) if last else words["from"].format(start=first)
        yield words["validity"], escape(f"{days} ({document.timezone})")
        yield words["leaving"], escape(words[document.on_scope_exit])
        yield words["ending"], escape(words[document.on_end])
        if document.data_range:
            age = length(document.data_range.last, self._language)
            yield words["data_range"], f"{escape(age)} (<code>{escape(document.data_range.by)}</code>)"
        if document.frequency:
            yield words["frequency"], escape(self._words["spans"][document.frequency])
        if document.onward_transfer:
            yield words["onward"], escape(", ".join(map(self._agency, document.onward_transfer)))
        if document.dpia:
            yield words["dpia"], escape(document.dpia)

    def _basis(self, one: Published) -> str:
        code = one.document.basis.statutory
        if code is None:
            return escape(self._site_words["consent"])
        known = self._site.bases.get(code)
        title = "" if known is None else f"<br>{escape(known.title.get(self._language, ''))}"
        article = article_words(one.document, self._site.bases, self._language)
        return f"{escape(article)} <code>{escape(code)}</code>{title}"

    def _which(self, one: Published) -> str:
        if one.document.filter is None:
            return escape(self._site_words["every"])
        said = filter_words(one.document, one.dataset, self._language)
        written = escape(" ".join(one.document.filter.split()))
        return f"{escape(said)}<br><small>{escape(self._site_words['written'])} <code>{written}</code></small>"

    def _fields(self, one: Published) -> str:
        words, names = self._site_words, PlainNames(one.dataset.schema, self._language)
        rows = []
        for rule in one.document.fields:
            known = one.dataset.field(rule.name)
            assert known is not None, "a rule in force fits its dataset"
            how = transform_words(rule, self._words["sentence"]["transforms"]) or words["as-it-is"]
            named = f", {words['named'].format(name=rule.called)}" if rule.called else ""
            category = str(known.category)
            spoken = self._language if self._language in known.translations else "en"
            rows.append(
                f"<tr><th scope=row>{escape(names.fields([rule.name])[0])}<br><code>{escape(rule.name)}</code></th>"
                f"<td>{escape(how + named)}</td>"
                f"<td><span class='pill {category}'>{escape(words['categories'].get(category, category))}</span></td>"
                f"<td lang={spoken}>{escape(known.said(self._language))}</td></tr>"
            )
        heads = "".join(f"<th scope=col>{escape(words[name])}</th>" for name in _COLUMNS)
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        scroll = f"<div class=scroll tabindex=0 role=region aria-labelledby=fields>{table}</div>"
        return f"{scroll}<p><small>{escape(words['no-others'])}</small></p>"

    def _step(self, step: Step) -> str:
        words = self._site_words
        office = words[f"office-{step.role}"].format(agency=self._agency(step.agency))
        action = self._words["actions"].get(step.action, step.action)
        told = [words["revision"].format(revision=step.revision)]
        small = " · ".join([*told, words["key"].format(key=step.key)] if step.key else told)
        mark = f"<br><strong class=mark>{escape(words['key-anew'])}</strong>" if step.anew else ""
        who = office if step.role == NOBODY else f"{office}: {step.reason}"
        return (
            f'<li><time datetime="{iso(step.at_ms)}">{self._day(step.at_ms)}</time> <strong>{escape(action)}</strong>'
            f"<br>{escape(who)}<br><small>{escape(small)}</small>{mark}</li>"
        )

    def _texts(self, one: Published) -> str:
        words = self._site_words
        in_force = None if one.state in {Standing.ENDED, OVER} else revision(one.document)
        return "".join(
            f'<li><a href="../texts/{one.id}-{key}.yaml">{words["revision"].format(revision=key)}</a> '
            f"({escape(words['in-force' if key == in_force else 'earlier'])})</li>"
            for key in one.texts
        )

    # --- parts --------------------------------------------------------------------------------------------------------

    def _whole(self, title: str, body: str, up: str, name: str, script: str) -> str:
        words = self._site_words
        others = "".join(
            f'<a href="{up}{language}/{name}" lang={language} hreflang={language}'
            f"{' aria-current=true' if language == self._language else ''}>"
            f"{escape(words_of(language)['site']['language'])}</a>"
            for language in self._site.languages
        )
        zone = self._site.agencies.timezone
        made = words["made"].format(offset=self._site.offset, day=self._day(self._site.at_ms), zone=zone)
        return _PAGE.format(
            style=_STYLE,
            scripts=_SCRIPTS,
            language=self._language,
            title=escape(title),
            skip=escape(words["skip"]),
            others=others,
            body=body,
            made=escape(made),
            lines=f"{up}{LINES}",
            machine=escape(words["machine"]),
            script=script,
        )

    def _all(self) -> Sequence[Published]:
        return self._site.agreements

    def _sentence(self, one: Published) -> str:
        return sentence(one.document, one.dataset, self._site.agencies, self._language, self._site.bases)

    def _title(self, one: Published) -> str:
        return one.document.title.get(self._language, one.id)

    def _agency(self, name: str) -> str:
        known = self._site.agencies.agency(name)
        return name if known is None else known.name.get(self._language, name)

    def _owner(self, dataset: str) -> str:
        owner = self._site.agencies.registry_owner(dataset.partition(".")[0])
        return "" if owner is None else owner.name.get(self._language, owner.id)

    def _record(self, one: Published) -> str:
        return PlainNames(one.dataset.schema, self._language).record() or ""

    def _day(self, ms: int) -> str:
        """The day in the country: a text that takes over at its midnight does so on its first day."""
        return str(day_of(ms, self._site.agencies.timezone))

    def _flow(self, one: Published) -> str:
        shared = escape(self._record(one)) or f"<code>{one.document.dataset}</code>"
        return f"{shared} → {escape(self._agency(one.document.recipient))}"

    def _state(self, one: Published) -> str:
        return f"<span class='pill {one.state}'>{escape(self._words['stages'][one.state])}</span>"
