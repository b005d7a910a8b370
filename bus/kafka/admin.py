"""Administration: topics as they must be, users, rights. By confluent-kafka, for aiokafka's client lacks most of it."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from bus.clock import monotonic
from bus.errors import KafkaUnreachable, NoAuthorizer, RightMissing, TopicDrifted
from bus.kafka.access import SCRAM, KafkaAccess
from bus.kafka.reach import require_answer
from bus.kafka.rights import Pattern, Resource, Right
from bus.telemetry import Event, emit
from bus.topics import LARGEST_RECORD, TopicSpec

ANSWER_SECONDS = 20
SCRAM_ITERATIONS = 4096
PARTITIONS = "partitions"
COORDINATOR_SECONDS = 5.0

NO_ANSWER = "no connection, or it refuses the user or the password"
_NO_CONNECTION = {
    KafkaError._TRANSPORT,  # noqa: SLF001 - the client's names of them
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
}
_NO_COORDINATOR = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}

_FORBIDDEN = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}
CREATE, DELETE = "Create on the cluster or on topics", "Delete on topics"
ALTER, DESCRIBE = "Alter on the cluster", "Describe on the cluster"
DESCRIBE_CONFIGS, ALTER_CONFIGS = "DescribeConfigs on topics", "AlterConfigs on topics"
"""Kafka's rights, in the words of kafka-acls."""

_MECHANISMS = {SCRAM: ScramMechanism.SCRAM_SHA_256, "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512}
_RESOURCES = {
    Resource.TOPIC: ResourceType.TOPIC,
    Resource.GROUP: ResourceType.GROUP,
    Resource.TRANSACTIONAL_ID: ResourceType.TRANSACTIONAL_ID,
    Resource.CLUSTER: ResourceType.BROKER,
}
_PATTERNS = {Pattern.LITERAL: ResourcePatternType.LITERAL, Pattern.PREFIXED: ResourcePatternType.PREFIXED}


class Admin:
    """Administration of one Kafka, as a user who may. Calls are quick and rare, and hold no event loop up.

    One that `sets_back` is of a Kafka of the bus's own: topics that somebody set otherwise are set as they must be.
    """

    def __init__(self, access: KafkaAccess, *, sets_back: bool = False) -> None:
        self._access = access
        self._sets_back = sets_back
        self._answered = False
        self._made: tuple[AdminClient, object] | None = None
        self._before: object = None
        """The client that was used before: what was asked of it is still to be answered."""

    @property
    def _client(self) -> AdminClient:
        """The client, made anew where certificates were renewed, for it reads them once; not of files half written."""
        files = self._access.files_as_of_now()
        if self._made is not None and self._made[1] == files:
            return self._made[0]
        try:
            made = AdminClient(self._access.for_confluent() | {"log_level": 2}), files
            self._before, self._made = self._made, made
        except KafkaException:
            if self._made is None:
                raise
        return self._made[0]

    async def topics(self) -> dict[str, int]:
        """Every topic and its number of partitions. Raises KafkaUnreachable."""
        if not self._answered:
            await require_answer(self._access)
            self._answered = True
        try:
            metadata = await asyncio.to_thread(self._client.list_topics, timeout=ANSWER_SECONDS)
        except KafkaException as error:
            told = error.args[0]
            reason = NO_ANSWER if told.code() in _NO_CONNECTION else told.str()
            raise KafkaUnreachable(bootstrap=self._access.bootstrap, reason=reason) from error
        return {name: len(topic.partitions) for name, topic in metadata.topics.items()}

    async def ensure_topics(self, specs: Iterable[TopicSpec], *, replication: int = -1) -> list[str]:
        """Make the topics that are missing and check the others; returns the names made.

        `replication` -1 takes the broker's default. Raises TopicDrifted for a topic that is not as it must be,
        RightMissing.
        """
        wanted = {spec.name: spec for spec in specs}
        present = await self.topics()
        missing = [spec for name, spec in wanted.items() if name not in present]
        await self._create(missing, replication)
        for drift in await self.drifts((spec for name, spec in wanted.items() if name in present), present):
            if not self._sets_back or drift.details["setting"] == PARTITIONS:
                raise drift
            await self._set(drift)
        return [spec.name for spec in missing]

    async def _create(self, specs: list[TopicSpec], replication: int) -> None:
        if not specs:
            return
        new = [NewTopic(spec.name, spec.partitions, replication, config=dict(spec.config)) for spec in specs]
        await self._all(self._client.create_topics(new, operation_timeout=ANSWER_SECONDS), "make topics", CREATE)
        names = {spec.name for spec in specs}
        while not names <= (await self.topics()).keys():  # noqa: ASYNC110 - nothing to await: the broker learns
            await asyncio.sleep(0.02)

    async def drifts(self, specs: Iterable[TopicSpec], present: Mapping[str, int]) -> list[TopicDrifted]:
        """What is not as it must be of those of these topics that are `present`, with their partitions.

        Raises RightMissing, KafkaUnreachable.
        """
        resources = {ConfigResource(ConfigResource.Type.TOPIC, one.name): one for one in specs if one.name in present}
        if not resources:
            return []
        answers, found = self._client.describe_configs(list(resources), request_timeout=ANSWER_SECONDS), []
        for resource, future in answers.items():
            spec = resources[resource]
            try:
                now = await self._told(future, "see how topics are set", DESCRIBE_CONFIGS)
            except KafkaException as error:
                reason = error.args[0].str()
                raise KafkaUnreachable(bootstrap=self._access.bootstrap, reason=reason) from error
            values = [
                (PARTITIONS, str(present[spec.name]), str(spec.partitions)),
                *((setting, now[setting].value, needed) for setting, needed in spec.config),
            ]
            found += [
                TopicDrifted(topic=spec.name, setting=setting, found=value, needed=needed)
                for setting, value, needed in values
                if value != needed
            ]
        return found

    async def _set(self, drift: TopicDrifted) -> None:
        """Set a topic as it must be."""
        told = {name: str(drift.details[name]) for name in ("topic", "setting", "found", "needed")}
        entry = ConfigEntry(told["setting"], told["needed"], incremental_operation=AlterConfigOpType.SET)
        topic = ConfigResource(ConfigResource.Type.TOPIC, told["topic"], incremental_configs=[entry])
        set_back = self._client.incremental_alter_configs([topic], request_timeout=ANSWER_SECONDS)
        await self._all(set_back, "set topics", ALTER_CONFIGS)
        emit(Event.TOPIC_SET_BACK, **told)

    async def largest_records(self, names: Iterable[str]) -> dict[str, int]:
        """How large a batch of records each topic takes, in bytes; a topic that may not be asked about is left out."""
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        found: dict[str, int] = {}
        for resource, future in self._client.describe_configs(resources, request_timeout=ANSWER_SECONDS).items():
            with contextlib.suppress(KafkaException):
                found[resource.name] = int((await asyncio.wrap_future(future))[LARGEST_RECORD].value)
        return found

    async def topic_ids(self, names: Iterable[str]) -> dict[str, str]:
        """The id of each of these topics that is there: one that is made anew under its old name has another.

        Raises KafkaUnreachable.
        """
        return {name: str(told.topic_id) for name, told in (await self._described(names)).items()}

    async def partitions(self, names: Iterable[str]) -> dict[str, int]:
        """How many each of these topics has that is there. Raises KafkaUnreachable."""
        return {name: len(told.partitions) for name, told in (await self._described(names)).items()}

    async def _described(self, names: Iterable[str]) -> dict[str, Any]:
        asked = TopicCollection(list(names))
        found: dict[str, Any] = {}
        for name, future in self._client.describe_topics(asked, request_timeout=ANSWER_SECONDS).items():
            try:
                found[name] = await asyncio.wrap_future(future)
            except KafkaException as error:
                told = error.args[0]
                if told.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise KafkaUnreachable(bootstrap=self._access.bootstrap, reason=told.str()) from error
        return found

    async def delete_topics(self, names: Iterable[str]) -> None:
        """Remove topics; for tests and for taking a bus down for good."""
        listed = list(names)
        if listed:
            await self._all(
                self._client.delete_topics(listed, operation_timeout=ANSWER_SECONDS), "remove topics", DELETE
            )

    async def ensure_user(self, name: str, password: str) -> None:
        """Give a user this password, whether or not it exists; a broker may learn of it a little later.

        The user logs in as the administrator does, by SCRAM-SHA-512 where that is what the broker takes.
        """
        mechanism = _MECHANISMS.get(self._access.sasl_mechanism or SCRAM, ScramMechanism.SCRAM_SHA_256)
        credential = UserScramCredentialUpsertion(
            name, ScramCredentialInfo(mechanism, SCRAM_ITERATIONS), password.encode()
        )
        await self._all(self._client.alter_user_scram_credentials([credential]), "set passwords", ALTER)

    async def remove_user(self, name: str, *, password: bool = True) -> None:
        """Take a user's rights away, then its password where that is ours; one that is not there is no error."""
        gone = self._client.delete_acls([_everything_of(name)], request_timeout=ANSWER_SECONDS)
        await self._all(gone, "take rights away", ALTER)
        if not password:
            return
        for one in (await self.users([name])).get(name, ()):
            password_of = UserScramCredentialDeletion(name, one.mechanism)
            await self._all(self._client.alter_user_scram_credentials([password_of]), "remove passwords", ALTER)

    async def users(self, names: Iterable[str]) -> dict[str, Any]:
        """Those of these users that have a password there, with what each logs in by."""
        known = await self._told(self._client.describe_user_scram_credentials(), "see users", DESCRIBE)
        return {name: known[name].scram_credential_infos for name in names if name in known}

    async def ensure_rights(self, rights: Iterable[Right]) -> None:
        """Give rights; those that are there already stay."""
        bindings = [_binding(right) for right in dict.fromkeys(rights)]  # the client refuses one that is named twice
        if bindings:
            await self._all(self._client.create_acls(bindings, request_timeout=ANSWER_SECONDS), "give rights", ALTER)

    async def remove_rights(self, rights: Iterable[Right]) -> None:
        """Take rights away; those that are not there are no error."""
        filters = [_filter(right) for right in dict.fromkeys(rights)]
        if filters:
            await self._all(
                self._client.delete_acls(filters, request_timeout=ANSWER_SECONDS), "take rights away", ALTER
            )

    async def rights_of(self, user: str) -> set[Right]:
        """What a user may do now."""
        found = await self._told(self._client.describe_acls(_everything_of(user)), "see rights", DESCRIBE)
        return {_right(binding) for binding in found}

    async def users_with_rights(self, prefix: str) -> list[str]:
        """Every user whose name begins so and who may do something here."""
        found = await self._told(self._client.describe_acls(_everything_of(None)), "see rights", DESCRIBE)
        names = {binding.principal.removeprefix("User:") for binding in found}
        return sorted(name for name in names if name.startswith(prefix))

    async def owners(self, group: str, topic: str) -> dict[int, str]:
        """Which member of a group has which partition of a topic: `instance@host`.

        Raises KafkaUnreachable, RightMissing.
        """
        found = await self._group(group)
        if found is None:
            return {}
        return {
            place.partition: f"{member.group_instance_id or member.client_id}@{member.host.lstrip('/')}"
            for member in found.members
            for place in (member.assignment.topic_partitions if member.assignment else [])
            if place.topic == topic
        }

    async def _group(self, group: str) -> Any:
        """The description of a group; None before its first member. A coordinator that is being made is waited for."""
        deadline = monotonic() + COORDINATOR_SECONDS
        while True:
            (future,) = self._client.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS).values()
            try:
                return await asyncio.wrap_future(future)
            except KafkaException as error:
                refusal = error.args[0]
                if refusal.code() == KafkaError.GROUP_ID_NOT_FOUND:
                    return None
                if refusal.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                    what = f"look at the group {group}"
                    raise RightMissing(
                        user=self._access.username, what=what, bootstrap=self._access.bootstrap
                    ) from error
                if refusal.code() not in _NO_COORDINATOR:
                    raise KafkaUnreachable(bootstrap=self._access.bootstrap, reason=refusal.name()) from error
                if monotonic() > deadline:
                    return None
            await asyncio.sleep(0.1)

    async def _all(self, futures: dict[Any, Any], what: str, right: str) -> None:
        for future in futures.values():
            await self._told(future, what, right)

    async def _told(self, future: Any, what: str, right: str) -> Any:
        """An answer. A refusal is told by what was asked and the right that it needs, for the broker names neither."""
        try:
            return await asyncio.wrap_future(future)
        except KafkaException as error:
            code, bootstrap = error.args[0].code(), self._access.bootstrap
            if code in _FORBIDDEN:
                lacking = f"{what} (it lacks {right})"
                raise RightMissing(user=self._access.username, what=lacking, bootstrap=bootstrap) from error
            if code == KafkaError.SECURITY_DISABLED:
                raise NoAuthorizer(bootstrap=bootstrap) from error
            raise


def _everything_of(user: str | None) -> AclBindingFilter:
    """Every right of a user, or, with None, of anybody."""
    return AclBindingFilter(
        ResourceType.ANY,
        None,
        ResourcePatternType.ANY,
        None if user is None else f"User:{user}",
        None,
        AclOperation.ANY,
        AclPermissionType.ALLOW,
    )


def _binding(right: Right) -> AclBinding:
    return AclBinding(
        _RESOURCES[right.resource],
        right.name,
        _PATTERNS[right.pattern],
        f"User:{right.user}",
        "*",
        AclOperation[right.operation],
        AclPermissionType.ALLOW,
    )


def _filter(right: Right) -> AclBindingFilter:
    one = _binding(right)
    return AclBindingFilter(
        one.restype, one.name, one.resource_pattern_type, one.principal, one.host, one.operation, one.permission_type
    )


def _right(binding: AclBinding) -> Right:
    resources = {there: here for here, there in _RESOURCES.items()}
    patterns = {there: here for here, there in _PATTERNS.items()}
    return Right(
        binding.principal.removeprefix("User:"),
        binding.operation.name,
        resources[binding.restype],
        patterns[binding.resource_pattern_type],
        binding.name,
    )
