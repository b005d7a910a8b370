"""The published register: every agreement is there, links lead somewhere, nothing is fetched, nobody is named."""

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import PurePosixPath

import pytest
from ruamel.yaml import YAML

from bus.agreements.document import AgreementDocument, revision
from bus.agreements.finding import LANGUAGES, words_of
from bus.agreements.jsonschema import json_schema, schema_file
from bus.agreements.moments import midnight_ms
from bus.cli.life import steps_told
from bus.model.fact import Fact, FactKind
from bus.model.signature import Role
from bus.register.counted import DAY_HAS_COME, NOBODY
from bus.register.life import Action
from bus.register.published import Published, Step, fingerprint, published
from bus.register.site import LINES, Site, site_files
from bus.register.state import REFUSED_KEPT
from bus.register.steps import Ground, activation, drafting, key_added, key_revoked, step
from tests.country import AGREEMENTS
from tests.unit.agreements.ground import AGENCIES, BASES
from tests.unit.register.book import BOSS as BOSS_OF_TAX
from tests.unit.register.book import DESK, OPERATOR, POLICE, Book, key, peopled

VOID = {"meta", "link", "br", "input", "img", "hr"}
TEXTS = {one.id: one for one in AGREEMENTS}
PERSONS = {"An Nguyen", "Binh Tran", "Chi Le"}


AUTHOR = key("An.Nguyen", "tax-authority", Role.RECIPIENT, seed=12, holder="An Nguyen")
BOSS = key("Binh.Tran", "tax-authority", Role.RECIPIENT, seed=13, holder="Binh Tran")
CHIEF = key("Chi.Le", "public-security", Role.REGISTRIES, seed=14, holder="Chi Le")


def live(book: Book, text: AgreementDocument, why: str) -> None:
    """From a draft to its activation, by people whose keys are called by their names, as in a careless office."""
    book.sign(*drafting(text, AUTHOR, why))
    book.sign(*(step(text.id, Action.APPROVED, who, "it is right") for who in (CHIEF, BOSS)))
    ground = Ground(f"t.agency.{text.recipient}.{text.id}.v1", 7)
    book.sign(activation(text, ground, "CONSENT", OPERATOR, "both agreed"))


@cache
def register() -> Book:
    """The tax office's agreements on people; one of them changed, suspended, and with a text in review."""
    book, text = peopled(), TEXTS["person-to-tax"]
    book.sign(key_added(AUTHOR.public, DESK), key_added(BOSS.public, DESK), key_added(CHIEF.public, POLICE))
    live(book, text, "the first wish")
    live(book, TEXTS["person-address-to-tax"], "another wish")
    live(book, text.model_copy(update={"fields": text.fields[:2]}), "less is enough")
    book.sign(step(text.id, Action.SUSPENDED, CHIEF, "a question of the court"))
    book.sign(*drafting(text.model_copy(update={"retention": "P9Y"}), AUTHOR, "a secret plan"))
    return book.plain(FactKind.AGREEMENT, text.id, "ended", {"step": 99, "revision": "a forged step"})


@cache
def site() -> dict[str, str]:
    """The files of the site of that register."""
    book = register()
    return dict(
        site_files(
            Site(published(book.state, book.counted, book.now_ms), AGENCIES, BASES, book.state.offset, book.now_ms)
        )
    )


def one(name: str) -> Published:
    book = register()
    return next(found for found in published(book.state, book.counted, book.now_ms) if found.id == name)


class Reader(HTMLParser):
    """Reads a page; fails where a tag is closed that is not open, or the other way round."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [value for name in ("href", "src", "action") if (value := given.get(name))]
        self.ids |= {value for name, value in attrs if name == "id" and value}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


PAGES = [path for path in site() if path.endswith(".html")]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_and_its_links_lead_somewhere(path: str) -> None:
    """Tags are closed in order, every link leads to a file of the site or to a place of the page; none leaves it."""
    page = Reader(site()[path])
    assert page.links
    for link in page.links:
        assert "//" not in link
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            parts: list[str] = []
            for part in (*PurePosixPath(path).parent.parts, *link.split("/")):
                parts = parts[:-1] if part == ".." else [*parts, part]
            assert "/".join(parts) in site()


@pytest.mark.parametrize("path", site())
def test_nothing_personal_and_nothing_from_elsewhere(path: str) -> None:
    """No file names who holds a key, a contact or an example's person; none fetches anything; no plan is told early."""
    text = site()[path]
    if path in map(schema_file, LANGUAGES):  # says of what dialect it is
        text = text.replace(f'"$schema": "{json_schema()["$schema"]}"', "")
    hidden = [
        *PERSONS,
        *(name.replace(" ", ".") for name in PERSONS),
        "001090000017",
        "http:",
        "https:",
        "a forged step",
    ]
    contacts = [text.contact for text in TEXTS.values() if text.contact]
    for word in (*hidden, *contacts, "a secret plan", "P9Y"):
        assert word not in text


def test_every_agreement_has_a_page_in_each_language() -> None:
    """Each agreement that was ever in force has a page a language, and the index of each links to all of them."""
    for language in AGENCIES.languages:
        index = Reader(site()[f"{language}/index.html"])
        for name in register().state.agreements:
            assert f"{name}.html" in index.links
            page = site()[f"{language}/{name}.html"]
            assert TEXTS[name].title[language] in page.replace("&#x27;", "'")
            assert all(f"<code>{rule.name}</code>" in page for rule in one(name).document.fields)


def test_history_tells_offices_and_reasons() -> None:
    """Steps about texts that were in force are told in order, by office and fingerprint; others are not."""
    steps = one("person-to-tax").steps
    life = ["drafted", "submitted", "approved", "approved", "activated"]
    assert [taken.action for taken in steps] == [*life, *life, "suspended"]
    assert {(taken.role, taken.agency) for taken in steps} == {
        ("recipient", "tax-authority"),
        ("registry", "public-security"),
        ("operator", ""),
    }
    assert steps[0].reason == "the first wish"
    assert steps[2].key == fingerprint(CHIEF.public)


def test_nobody_writes_the_history_of_others() -> None:
    """Of the day of a text only that it came is told, once, and of what was refused nothing, however much it was."""
    book, text = peopled(), TEXTS["person-to-tax"]
    book.life(text)
    day = text.valid.from_.replace(year=text.valid.from_.year + 9)
    later = text.model_copy(update={"fields": text.fields[:1], "valid": text.valid.model_copy(update={"from_": day})})
    book.life(later)
    book.now_ms = midnight_ms(day, text.timezone)
    body, lie = {"revision": revision(later)}, "the minister wished it"
    forged = Fact(FactKind.AGREEMENT, text.id, Action.TOOK_EFFECT, body, "An Nguyen", lie, 1, b"", POLICE.public.id)
    book.tell(forged, forged)
    book.plain(FactKind.AGREEMENT, text.id, "ended", {"step": 11, "revision": revision(later)})
    for _ in range(REFUSED_KEPT):
        book.plain(FactKind.ROUTE, text.id, "paused", {})
    (found,) = published(book.state, book.counted, book.now_ms)
    *_, activated, last = found.steps
    assert (activated.action, activated.agency) == (Action.ACTIVATED, "")
    assert last == Step(book.now_ms, Action.TOOK_EFFECT, NOBODY, "", "", DAY_HAS_COME, revision(later))
    assert not {lie, "An Nguyen"} & {part for one in book.counted for part in (one.fact.reason, one.fact.by)}


def test_history_goes_on_after_a_fact_that_nobody_could_read() -> None:
    """What the operator lifted, and all that came after it, is told."""
    book, text = peopled(), TEXTS["person-to-tax"]
    book.life(text)
    book.state = book.state.apply_unreadable(f"agreement/{text.id}".encode(), book.state.offset)
    book.sign(step(text.id, Action.RESUMED, OPERATOR, "seen"), step(text.id, Action.SUSPENDED, POLICE, "a question"))
    (found,) = published(book.state, book.counted, book.now_ms)
    assert [one.action for one in found.steps[-2:]] == [Action.RESUMED, Action.SUSPENDED]


def pages_of(book: Book) -> dict[str, str]:
    """The files of the site of a register."""
    return dict(
        site_files(
            Site(published(book.state, book.counted, book.now_ms), AGENCIES, BASES, book.state.offset, book.now_ms)
        )
    )


def test_days_are_those_of_the_country() -> None:
    """A text that took over at a midnight of its time zone did so on its first day, not on the day before in UTC."""
    book, text = peopled(), TEXTS["person-to-tax"]
    book.life(text)
    day = text.valid.from_.replace(year=text.valid.from_.year + 9)
    later = text.model_copy(update={"valid": text.valid.model_copy(update={"from_": day})})
    book.life(later)
    book.now_ms = midnight_ms(day, text.timezone)
    book.plain(FactKind.AGREEMENT, text.id, Action.TOOK_EFFECT, {"revision": revision(later)})
    page = pages_of(book)["vi/person-to-tax.html"]
    assert f">{day}</time> <strong>đã có hiệu lực" in page
    assert f", {day}. Ngày tính theo múi giờ {AGENCIES.timezone}." in page
    assert DAY_HAS_COME not in page


def test_no_text_of_an_ended_agreement_is_in_force() -> None:
    """The texts of an agreement that was ended are told as those of before."""
    book = peopled().life()
    assert "(in force)" in pages_of(book)["en/person-to-tax.html"]
    book.sign(step("person-to-tax", Action.ENDED, POLICE, "it is over"))
    page = pages_of(book)["en/person-to-tax.html"]
    assert "(in force)" not in page
    assert "(earlier)" in page


def test_what_is_shared_is_called_by_plain_names() -> None:
    """Records and fields are called as people call them, in the language of the page; their codes stand beside."""
    assert "person → Tax Department" in site()["en/index.html"]
    assert "person <code>population.person</code>" in site()["en/person-to-tax.html"]
    assert "<th scope=row>họ và tên<br><code>full_name</code></th>" in site()["vi/person-to-tax.html"]


def test_texts_and_lines_for_programs() -> None:
    """Each text that was in force is a file that reads as that revision; each agreement is a line of JSON."""
    lines = [json.loads(line) for line in site()[LINES].splitlines()]
    assert [line["id"] for line in lines] == sorted(register().state.agreements)
    assert {line["state"] for line in lines} == {"active", "suspended"}
    texts = one("person-to-tax").texts
    assert next(iter(texts)) == register().state.agreements["person-to-tax"].revision
    assert len(texts) == 2
    for expected in texts:
        written = YAML(typ="safe").load(site()[f"texts/person-to-tax-{expected}.yaml"])
        assert revision(AgreementDocument.model_validate(written)) == expected


def test_fields_and_articles_in_the_language_of_the_page() -> None:
    """A Vietnamese page says in Vietnamese what each field is and which article allows it, and marks it as such."""
    page = site()["vi/person-to-tax.html"]
    assert "<td lang=vi>Họ, chữ đệm và tên, theo thứ tự này.</td>" in page
    assert "Điều 19 Luật Bảo vệ dữ liệu cá nhân" in page
    assert "Law 91/2025/QH15" not in page
    assert "<td lang=en>Family, middle and given name, in this order.</td>" in site()["en/person-to-tax.html"]


@pytest.mark.parametrize(
    ("year", "state", "said"), [(2020, "not-begun", "ngày đầu chưa đến"), (2099, "over", "hết hạn")]
)
def test_no_agreement_is_in_force_beyond_its_days(year: int, state: str, said: str) -> None:
    """A page that is written after an agreement's last day, or before its first, does not call it in force."""
    book, text = peopled(), TEXTS["person-to-tax"]
    book.life(text)
    now_ms = midnight_ms(text.valid.from_.replace(year=year), text.timezone)
    (found,) = published(book.state, book.counted, now_ms)
    assert found.state == state
    pages = dict(site_files(Site((found,), AGENCIES, BASES, book.state.offset, now_ms)))
    assert said in pages[f"vi/{text.id}.html"]
    assert "đang hiệu lực" not in pages[f"vi/{text.id}.html"]
    assert published(book.state, book.counted, book.now_ms)[0].state == "active"


def test_a_browser_runs_the_search_and_no_other_script() -> None:
    """Each page names the hash of its one script, so that nothing that somebody wrote into a text is ever run."""
    page = site()["index.html"]
    script = page.partition("<script>")[2].partition("</script>")[0]
    hashed = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{hashed}'; base-uri 'none'" in page
    assert all("Content-Security-Policy" in text for path, text in site().items() if path.endswith(".html"))


def test_a_step_under_a_key_that_nobody_vouches_for_is_marked() -> None:
    """Where the operator gave an agency a key in place of revoked ones, each step that it signed says so aloud."""
    book, text = peopled(), TEXTS["person-to-tax"]
    book.life(text)
    assert "nobody of the agency vouches" not in pages_of(book)[f"en/{text.id}.html"]
    mine = key("tax.new", "tax-authority", Role.RECIPIENT, seed=22)
    for one in (DESK, BOSS_OF_TAX):
        book.sign(key_revoked(one.public.id, OPERATOR, "a test"))
    book.sign(key_added(mine.public, OPERATOR), step(text.id, Action.SUSPENDED, mine, "a question"))
    page = pages_of(book)[f"en/{text.id}.html"]
    assert page.count("nobody of the agency vouches") == 1
    anew = {name for name, one in book.state.keys.items() if one.anew}
    *before, last = steps_told(book.counted, (), text.id, words_of("en"), anew)
    assert last.endswith("! given by the operator after the agency's earlier keys were revoked")
    assert not any("! given" in one for one in before)


def test_a_word_without_an_end_breaks() -> None:
    """A reason with a long address in it, or a title, makes no page wider than a phone: what holds texts may break."""
    style = site()["index.html"].partition("<style>")[2]
    assert "h1, h2, p, dd, li { overflow-wrap: anywhere }" in style
