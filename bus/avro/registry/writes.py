"""The changes of the Confluent API. Each handler returns the JSON of its answer, or raises RegistryRefusal."""

from starlette.requests import Request

from bus.avro.compatibility import Level
from bus.avro.registry import decide
from bus.avro.registry.codes import Code
from bus.avro.registry.entries import Entry
from bus.avro.registry.fold import SchemaLog
from bus.avro.registry.reads import MODE
from bus.avro.registry.requests import body_of, flag
from bus.avro.registry.store import SchemaStore
from bus.avro.registry.submitted import submitted
from bus.errors import RegistryRefusal


class Writes:
    """Handlers that write an entry. What they answer is read from the fold after the entry has counted."""

    def __init__(self, store: SchemaStore) -> None:
        self._store = store

    async def register(self, request: Request) -> dict[str, int]:
        """Make the schema in the body a version of the subject, unless it is one."""
        new, subject = submitted(await body_of(request)), request.path_params["subject"]
        await self._store.change(lambda log: (decide.registration(log, subject, new), None))
        schema_id = (await self._store.current()).id_of(new.fingerprint)
        assert schema_id is not None, "a registered schema has an id"
        return {"id": schema_id}

    async def delete_subject(self, request: Request) -> list[int]:
        """Delete every version of a subject."""
        subject, permanent = request.path_params["subject"], flag(request, "permanent")
        return await self._store.change(lambda log: decide.subject_deletion(log, subject, permanent=permanent))

    async def delete_version(self, request: Request) -> int:
        """Delete one version of a subject."""
        words, permanent = request.path_params, flag(request, "permanent")
        return await self._store.change(
            lambda log: decide.version_deletion(log, words["subject"], words["version"], permanent=permanent)
        )

    async def set_level(self, request: Request) -> dict[str, Level | None]:
        """Set the level of a subject or of all."""
        body = await body_of(request)
        wanted = body.get("compatibility") if isinstance(body, dict) else None
        entry = decide.level_setting(request.path_params.get("subject"), wanted)
        await self._store.change(lambda _log: (entry, None))
        return {"compatibility": entry.level}

    async def unset_level(self, request: Request) -> dict[str, Level]:
        """Let a subject follow the level of all again, or all the default; answers what held before."""
        subject = request.path_params.get("subject")

        def unset(log: SchemaLog) -> tuple[Entry, Level]:
            return decide.level_unsetting(log, subject), log.level(subject)

        return {"compatibilityLevel": await self._store.change(unset)}

    async def set_mode(self, request: Request) -> dict[str, str]:
        """Accept the mode that holds, and no other."""
        body = await body_of(request)
        mode = body.get("mode") if isinstance(body, dict) else None
        if mode in ("READONLY", "IMPORT", "READONLY_OVERRIDE", "FORWARD"):
            raise RegistryRefusal(code=Code.NOT_PERMITTED, reason=f"the mode of this registry is always {MODE}")
        if mode != MODE:
            raise RegistryRefusal(code=Code.INVALID_MODE, reason=f"the mode of this registry is always {MODE}")
        return {"mode": MODE}
