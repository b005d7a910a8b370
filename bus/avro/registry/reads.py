"""The questions of the Confluent API. Each handler returns the JSON of its answer, or raises RegistryRefusal."""

from typing import Any

from starlette.requests import Request

from bus.avro.compatibility import Level
from bus.avro.registry import decide
from bus.avro.registry.codes import Code
from bus.avro.registry.fold import SchemaLog, Version
from bus.avro.registry.requests import body_of, flag, limited, plain
from bus.avro.registry.store import SchemaStore
from bus.avro.registry.submitted import submitted
from bus.errors import RegistryRefusal

MODE = "READWRITE"


class Reads:
    """Handlers that change nothing; looking a schema up and trying a compatibility are POSTs, and still belong here."""

    def __init__(self, store: SchemaStore) -> None:
        self._store = store

    async def root(self, _request: Request) -> dict[str, str]:
        """That somebody is here."""
        return {}

    async def types(self, _request: Request) -> list[str]:
        """The schema types that can be registered."""
        return ["AVRO"]

    async def schema(self, request: Request) -> dict[str, Any]:
        """A schema by id, which never needs more than the id."""
        return {"schema": await self._text(request)}

    async def schema_text(self, request: Request) -> Any:
        """The schema alone, as JSON."""
        return plain(await self._text(request))

    async def places(self, request: Request) -> list[dict[str, Any]]:
        """The subjects and versions of a schema id."""
        return [{"subject": one.subject, "version": one.number} for one in await self._versions_of_id(request)]

    async def subjects_of_id(self, request: Request) -> list[str]:
        """The subjects of a schema id."""
        return limited(request, list(dict.fromkeys(one.subject for one in await self._versions_of_id(request))))

    async def schemas(self, request: Request) -> list[dict[str, Any]]:
        """Every version of every subject, or the latest of each."""
        log = await self._store.current()
        deleted, prefix = flag(request, "deleted"), request.query_params.get("subjectPrefix", "")
        found: list[Version] = []
        for subject in log.subjects(deleted=deleted):
            versions = log.versions(subject, deleted=deleted) if subject.startswith(prefix) else []
            found += versions[-1:] if flag(request, "latestOnly") else versions
        return limited(request, [described(log, one) for one in found])

    async def subjects(self, request: Request) -> list[str]:
        """The names of the subjects."""
        log = await self._store.current()
        live = set(log.subjects())
        every = log.subjects(deleted=flag(request, "deleted") or flag(request, "deletedOnly"))
        prefix = request.query_params.get("subjectPrefix", "")
        only_deleted = flag(request, "deletedOnly")
        return limited(request, [one for one in every if one.startswith(prefix) and not (only_deleted and one in live)])

    async def versions(self, request: Request) -> list[int]:
        """The numbers of a subject's versions."""
        log = await self._store.current()
        found = decide.existing_versions(log, request.path_params["subject"], deleted=flag(request, "deleted"))
        return limited(request, [one.number for one in found])

    async def version(self, request: Request) -> dict[str, Any]:
        """One version of a subject."""
        log, version = await self._version(request)
        return described(log, version)

    async def version_text(self, request: Request) -> Any:
        """One version's schema alone, as JSON."""
        log, version = await self._version(request)
        return plain(log.text(version.schema_id) or "")

    async def referenced_by(self, request: Request) -> list[int]:
        """The schemas that refer to a version: none, for references are not supported."""
        await self._version(request)
        return []

    async def lookup(self, request: Request) -> dict[str, Any]:
        """The version of a subject that is the schema in the body."""
        wanted = submitted(await body_of(request))
        log, subject, deleted = await self._store.current(), request.path_params["subject"], flag(request, "deleted")
        decide.existing_versions(log, subject, deleted=deleted)
        version = decide.version_of(log, subject, wanted, deleted=deleted)
        if version is None:
            raise RegistryRefusal(code=Code.SCHEMA_NOT_FOUND, reason=f"subject {subject} does not have this schema")
        return described(log, version)

    async def compatibility(self, request: Request) -> dict[str, Any]:
        """Whether the schema in the body could follow one version, or without one all that its level counts."""
        new = submitted(await body_of(request))
        log, subject = await self._store.current(), request.path_params["subject"]
        number = request.path_params.get("version")
        earlier = log.versions(subject) if number is None else [decide.existing_version(log, subject, number)]
        messages = decide.incompatibilities(log, subject, new, earlier)
        answer: dict[str, Any] = {"is_compatible": not messages}
        return answer | ({"messages": messages} if flag(request, "verbose") else {})

    async def level(self, request: Request) -> dict[str, Level]:
        """The level of all subjects, or a subject's own."""
        log, subject = await self._store.current(), request.path_params.get("subject")
        if subject is not None and log.own_level(subject) is None and not flag(request, "defaultToGlobal"):
            raise decide.no_own_level(subject)
        return {"compatibilityLevel": log.level(subject)}

    async def mode(self, request: Request) -> dict[str, str]:
        """The mode: always the one in which a registry is written and read."""
        subject = request.path_params.get("subject")
        if subject is not None and not flag(request, "defaultToGlobal"):
            raise RegistryRefusal(code=Code.NO_OWN_MODE, reason=f"subject {subject} has no mode of its own")
        return {"mode": MODE}

    async def _version(self, request: Request) -> tuple[SchemaLog, Version]:
        log, words = await self._store.current(), request.path_params
        deleted = flag(request, "deleted")
        return log, decide.existing_version(log, words["subject"], words["version"], deleted=deleted)

    async def _text(self, request: Request) -> str:
        schema_id = _schema_id(request)
        text = await self._store.text(schema_id)
        if text is None:
            raise RegistryRefusal(code=Code.SCHEMA_NOT_FOUND, reason=f"there is no schema with the id {schema_id}")
        return text

    async def _versions_of_id(self, request: Request) -> list[Version]:
        await self._text(request)
        log, deleted = await self._store.current(), flag(request, "deleted")
        every = (one for subject in log.subjects(deleted=deleted) for one in log.versions(subject, deleted=deleted))
        return [one for one in every if one.schema_id == _schema_id(request)]


def described(log: SchemaLog, version: Version) -> dict[str, Any]:
    """A version as every answer shows it."""
    words = {"subject": version.subject, "version": version.number, "id": version.schema_id}
    return words | {"schema": log.text(version.schema_id)} | ({"deleted": True} if version.deleted else {})


def _schema_id(request: Request) -> int:
    text = request.path_params["id"]
    if not text.isdecimal() or len(text) > 10:
        raise RegistryRefusal(code=Code.SCHEMA_NOT_FOUND, reason="a schema id is a number")
    return int(text)
