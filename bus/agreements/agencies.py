"""The agencies of a country and what its agreements share, read from one file: `agencies.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bus.agreements.document import Name, Text, Words
from bus.errors import CountryFileWrong


def _list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def is_zone(value: str) -> bool:
    """Whether it names a time zone of the IANA database."""
    try:
        ZoneInfo(value)
    except (KeyError, OSError, ValueError):  # what is not there is a KeyError; what is no name, one of the others
        return False
    return True


def _zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError(f"no such time zone: {value}")
    return value


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Agency(_Part):
    """An organisation on the bus: it runs registries, receives, or both."""

    id: Name
    name: Words
    kind: Name = Field(description="What sort of body it is; a country's own word.")
    registries: Annotated[tuple[Name, ...], BeforeValidator(_list)] = ()
    receives: bool = Field(default=True, description="Whether it may be a recipient.")
    consent_only: bool = Field(default=False, description="It may receive personal data by consent only.")
    contact: Text | None = None


class Agencies(_Part):
    """What all agreements of a country share."""

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    languages: Annotated[tuple[str, ...], BeforeValidator(_list), Field(min_length=1)]
    consent_basis: Text = Field(description="The code of consent as a legal basis.")
    agencies: Annotated[tuple[Agency, ...], BeforeValidator(_list)]

    @property
    def receivers(self) -> tuple[str, ...]:
        """The ids of the agencies that may be recipients."""
        return tuple(one.id for one in self.agencies if one.receives)

    def agency(self, name: str) -> Agency | None:
        """The agency of that id, or None."""
        return next((agency for agency in self.agencies if agency.id == name), None)

    def registry_owner(self, registry: str) -> Agency | None:
        """The agency that runs a registry, or None."""
        return next((agency for agency in self.agencies if registry in agency.registries), None)


class LegalBasis(_Part):
    """A legal basis that agreements may name."""

    title: Words
    consent: bool = Field(default=False, description="The basis is the person's consent.")
    articles: dict[Text, Words] = Field(
        default_factory=dict, description="What agreements cite under it, as they write it, in other languages."
    )

    def cited(self, article: str, language: str) -> str:
        """An agreement's articles (`;` parts them) in a language; as they are written where it has no words for one."""
        parts = (one.strip() for one in article.split(";"))
        return "; ".join(self.articles.get(one, {}).get(language, one) for one in parts)


def load_agencies(path: Path) -> Agencies:
    """The file of agencies. Raises CountryFileWrong with every thing that is wrong."""
    agencies = _load(path, Agencies)
    names = [agency.id for agency in agencies.agencies]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CountryFileWrong(file=path.name, findings=f"given twice: {', '.join(twice)}")
    return agencies


def load_legal_bases(path: Path) -> Mapping[str, LegalBasis]:
    """The legal bases by code. Raises CountryFileWrong."""
    return _load(path, _LegalBases).bases


_Model = TypeVar("_Model", bound=_Part)


class _LegalBases(_Part):
    bases: dict[str, LegalBasis]


def _load(path: Path, model: type[_Model]) -> _Model:
    try:
        data: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        return model.model_validate(data)
    except ValidationError as error:
        findings = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise CountryFileWrong(file=path.name, findings=findings) from error
    except (YAMLError, OSError, UnicodeDecodeError) as error:
        raise CountryFileWrong(file=path.name, findings=str(error).replace("\n", " ")) from error
