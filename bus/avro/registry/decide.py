"""What the registry does with a request: pure functions of the fold, each giving the entry to write, or none."""

from bus.avro.compatibility import Level, against
from bus.avro.registry.codes import Code
from bus.avro.registry.entries import Deleted, LevelSet, VersionAdded
from bus.avro.registry.fold import SchemaLog, Version
from bus.avro.registry.submitted import Submitted
from bus.errors import RegistryRefusal


def registration(log: SchemaLog, subject: str, new: Submitted) -> VersionAdded | None:
    """The entry that makes a schema a version; None where the subject has it. Raises RegistryRefusal."""
    if not subject or len(subject) > 255 or not subject.isprintable():
        raise RegistryRefusal(code=Code.INVALID_SUBJECT, reason="a subject is a text of 1 to 255 printable characters")
    if version_of(log, subject, new) is not None:
        return None
    messages = incompatibilities(log, subject, new, log.versions(subject))
    if messages:
        reason = f"the schema cannot follow in subject {subject}: {'; '.join(messages)}"
        raise RegistryRefusal(code=Code.INCOMPATIBLE, reason=reason)
    return VersionAdded(subject, new.text, new.fingerprint, log.next_offset)


def incompatibilities(log: SchemaLog, subject: str, new: Submitted, earlier: list[Version]) -> list[str]:
    """Why a schema may not follow these versions under the subject's level, each with field, reason and version."""
    level = log.level(subject)
    found = against(level, new.schema, [log.schema(version.schema_id) for version in earlier])
    return [f"{finding} (version {earlier[index].number}, {level})" for index, finding in found]


def version_of(log: SchemaLog, subject: str, schema: Submitted, *, deleted: bool = False) -> Version | None:
    """The newest version of a subject that is the same schema."""
    schema_id = log.id_of(schema.fingerprint)
    versions = log.versions(subject, deleted=deleted)
    return next((version for version in reversed(versions) if version.schema_id == schema_id), None)


def existing_versions(log: SchemaLog, subject: str, *, deleted: bool = False) -> list[Version]:
    """The versions of a subject. Raises RegistryRefusal where it has none."""
    versions = log.versions(subject, deleted=deleted)
    if not versions:
        raise RegistryRefusal(code=Code.SUBJECT_NOT_FOUND, reason=f"there is no subject {subject}")
    return versions


def existing_version(log: SchemaLog, subject: str, number: str, *, deleted: bool = False) -> Version:
    """A version by number, `latest` or -1. Raises RegistryRefusal for what is none."""
    wanted = version_number(number)
    versions = existing_versions(log, subject, deleted=deleted)
    if wanted is None:
        return versions[-1]
    for version in versions:
        if version.number == wanted:
            return version
    raise RegistryRefusal(code=Code.VERSION_NOT_FOUND, reason=f"subject {subject} has no version {wanted}")


def version_number(text: str) -> int | None:
    """A version as it is spelt in a path; None means the latest. Raises RegistryRefusal for anything else."""
    if text in ("latest", "-1"):
        return None
    if not text.isdecimal() or len(text) > 10 or not 1 <= int(text) < 2**31:
        raise RegistryRefusal(code=Code.INVALID_VERSION, reason=f"a version is a number from 1 on or `latest`: {text}")
    return int(text)


def subject_deletion(log: SchemaLog, subject: str, *, permanent: bool) -> tuple[Deleted, list[int]]:
    """The entry that deletes every version, and their numbers. Permanently only what was deleted before."""
    versions = existing_versions(log, subject, deleted=True)
    live = [version for version in versions if not version.deleted]
    if permanent and live:
        reason = f"subject {subject} was not deleted before it was to be deleted permanently"
        raise RegistryRefusal(code=Code.SUBJECT_NOT_SOFT_DELETED, reason=reason)
    if not permanent and not live:
        reason = f"subject {subject} is deleted already; permanent=true deletes it for good"
        raise RegistryRefusal(code=Code.SUBJECT_SOFT_DELETED, reason=reason)
    gone = versions if permanent else live
    return Deleted(subject, None, permanent, log.next_offset), [version.number for version in gone]


def version_deletion(log: SchemaLog, subject: str, number: str, *, permanent: bool) -> tuple[Deleted, int]:
    """The entry that deletes one version, and its number. Permanently only what was deleted before."""
    latest_must_live = version_number(number) is None and not permanent
    version = existing_version(log, subject, number, deleted=not latest_must_live)
    if permanent and not version.deleted:
        reason = f"version {version.number} of {subject} was not deleted before it was to be deleted permanently"
        raise RegistryRefusal(code=Code.VERSION_NOT_SOFT_DELETED, reason=reason)
    if not permanent and version.deleted:
        reason = f"version {version.number} of {subject} is deleted already; permanent=true deletes it for good"
        raise RegistryRefusal(code=Code.VERSION_SOFT_DELETED, reason=reason)
    return Deleted(subject, version.number, permanent, log.next_offset), version.number


def level_setting(subject: str | None, level: object) -> LevelSet:
    """The entry that sets a level given as text. Raises RegistryRefusal for a text that is none."""
    if not isinstance(level, str) or level.upper() not in list(Level):
        raise RegistryRefusal(code=Code.INVALID_LEVEL, reason=f"the levels are {', '.join(Level)}")
    return LevelSet(subject, Level(level.upper()))


def level_unsetting(log: SchemaLog, subject: str | None) -> LevelSet:
    """The entry that takes a level back. Raises RegistryRefusal for a subject without one of its own."""
    if subject is not None and log.own_level(subject) is None:
        raise no_own_level(subject)
    return LevelSet(subject, None)


def no_own_level(subject: str) -> RegistryRefusal:
    """The refusal for a subject that follows the level of all."""
    return RegistryRefusal(code=Code.NO_OWN_LEVEL, reason=f"subject {subject} has no compatibility level of its own")
