"""The JSON Schema of agreements, as editors use it."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from bus.agreements.document import AgreementDocument, TransformKind
from bus.agreements.finding import LANGUAGES, words_of
from bus.agreements.jsonschema import json_schema
from bus.agreements.text import read_text
from bus.cli.agreement import agreement
from tests.unit.agreements.ground import HERE, SEEDS

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
WRONG_IN_FORM = [
    "unknown-key", "unknown-key-inside", "missing-key", "unknown-transform", "consent-optional", "identifier-unknown",
    "list-for-text", "no-fields", "not-a-name", "mask-too-much", "mask-of-a-fraction", "age-of-zero", "id-too-long",
    "filter-left-empty", "recipient-left-empty", "until-left-empty",
]  # fmt: skip


def complaints(path: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(read_text(path).data)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_a_schema(language: str) -> None:
    """What is made is itself a sound schema of its dialect."""
    jsonschema.Draft202012Validator.check_schema(json_schema(language))


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_sound_agreements_fit(path: Any) -> None:
    """Each agreement of the pretend country fits, short forms included."""
    assert complaints(path) == []


@pytest.mark.parametrize("name", WRONG_IN_FORM)
def test_wrong_forms_do_not_fit(name: str) -> None:
    """What is wrong in its form is seen by an editor too."""
    assert complaints(HERE / "broken" / f"{name}.yaml")


def test_every_key_says_what_becomes_of_it() -> None:
    """Each key of an agreement says what the bus makes of it."""
    keys = SCHEMA["properties"]
    assert set(keys) == {field.alias or name for name, field in AgreementDocument.model_fields.items()}
    for key in keys.values():
        assert key["description"].endswith(("[enforced]", "[obligation]", "[shown]"))


def hover_texts(schema: Any, path: str = "") -> dict[str, str | None]:
    """The text of each key and of each word that can stand for a value, by its place; None where it has none."""
    found: dict[str, str | None] = {}
    if isinstance(schema, list):
        for number, one in enumerate(schema):
            found |= hover_texts(one, f"{path}/{number}")
    elif isinstance(schema, dict):
        keys = dict(schema.get("properties", {}))
        keys |= {"*": schema["additionalProperties"]} if isinstance(schema.get("additionalProperties"), dict) else {}
        for name, key in keys.items():
            found[f"{path}/{name}"] = key.get("description")
        if "const" in schema and "description" in schema:
            found[f"{path}={schema['const']}"] = schema["description"]
        for name, one in schema.items():
            found |= hover_texts(one, f"{path}/{name}")
    return found


def without_texts(schema: Any) -> Any:
    if isinstance(schema, list):
        return [without_texts(one) for one in schema]
    if isinstance(schema, dict):
        return {
            name: without_texts(one)
            for name, one in schema.items()
            if not (name in {"title", "description"} and isinstance(one, str))
        }
    return schema


def test_the_schemas_differ_in_their_texts_alone() -> None:
    """What one language's schema lets through, the other lets through too: they are the same but for the texts."""
    assert without_texts(json_schema("vi")) == without_texts(SCHEMA)


def test_every_key_explains_itself_in_both_languages() -> None:
    """Each key, those of parts and examples too, and each transform has hover text in English and in Vietnamese."""
    english, vietnamese = hover_texts(SCHEMA), hover_texts(json_schema("vi"))
    assert set(english) == set(vietnamese)
    assert len(english) > 50
    free = {place for place in english if re.fullmatch(r"/properties/(title|description)(/anyOf/0)?/\*", place)}
    for place in set(english) - free:
        told, other = english[place], vietnamese[place]
        assert told, place
        assert other, place
        assert told != other, place
    for parts in (SCHEMA["$defs"], json_schema("vi")["$defs"]):
        assert all("description" in part for name, part in parts.items() if name != "Transform")
    transforms = {place.rpartition("=")[2] for place in english if "=" in place and "Transform" in place}
    assert transforms | {"mask", "bucket", "age_over"} == {kind.value for kind in TransformKind}


def test_no_text_is_left_over() -> None:
    """The Vietnamese words tell of no key that does not exist."""
    parts = {**SCHEMA["$defs"], "AgreementDocument": SCHEMA}
    for name, texts in words_of("vi")["model"].items():
        others = {"text"} if "additionalProperties" in parts[name] else set()
        assert set(texts) - {"itself"} <= set(parts[name]["properties"]) | others, name


@pytest.mark.parametrize(("language", "file"), [("en", "agreement.schema.json"), ("vi", "agreement.schema.vi.json")])
def test_a_first_text_names_the_schema_of_its_language(
    language: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`new` writes the line that an editor reads, and beside the text the schema that it names, in the language."""
    monkeypatch.chdir(tmp_path)
    words = ("new", "wish", "--dataset", "population.person", "--recipient", "tax-authority", "--lang", language)
    assert CliRunner().invoke(agreement, words).exit_code == 0
    text = Path("wish.yaml").read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={file}\n")
    assert json.loads(Path(file).read_text(encoding="utf-8")) == json_schema(language)
    assert ("Ngày, tháng, năm sinh." in text) is (language == "vi")
    assert CliRunner().invoke(agreement, ("schema", "--lang", language)).stdout == Path(file).read_text("utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"wish.yaml", file}


def test_a_copy_keeps_the_schema_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever copies a text in another language finds beside it the schema that the text names."""
    monkeypatch.chdir(tmp_path)
    line = "# yaml-language-server: $schema=agreement.schema.vi.json\n"
    Path("from").mkdir()
    Path("from/person-to-tax.yaml").write_text(
        line + (SEEDS / "person-to-tax.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    answer = CliRunner().invoke(agreement, ("new", "copy", "--like", "from/person-to-tax.yaml", "--lang", "en"))
    assert answer.exit_code == 0, answer.output
    assert Path("copy.yaml").read_text(encoding="utf-8").startswith(line)
    assert Path("agreement.schema.vi.json").is_file()
    assert not Path("agreement.schema.json").exists()
