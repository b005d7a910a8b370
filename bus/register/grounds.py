"""What a bus stands on in Kafka before its first fact: topics, and users with their rights.

Everything here may be called again: what is there already stays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bus.errors import UserTaken
from bus.kafka import rights
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.reach import require_known
from bus.kafka.rights import Right
from bus.platform.home import Home
from bus.platform.kafka import ADMIN
from bus.register.state import RegisterState
from bus.topics import Topics, TopicSpec

_ADMIN = f"users/{ADMIN}"


class Grounds:
    """What a bus stands on in Kafka: its first topics, the users of its stages and their rights."""

    def __init__(self, access: KafkaAccess, topics: Topics, home: Home) -> None:
        self.topics = topics
        self._access = access
        self._home = home
        self.admin = Admin(access, sets_back=self._is_of_the_home)

    async def lay(self) -> None:
        """Make the founding topics, and the users of the stages with their rights. Raises TopicDrifted."""
        await self.admin.ensure_topics(self.topics.founding())
        await self.admit(
            {
                rights.ROUTER: rights.router_rights(self.topics),
                rights.SCHEMA_REGISTRY: rights.schema_registry_rights(self.topics),
                rights.CITIZEN: rights.citizen_rights(self.topics),
                rights.OPERATOR: rights.operator_rights(self.topics),
                rights.CUSTODIAN: rights.custodian_rights(self.topics),
                rights.PREVIEWER: rights.previewer_rights(self.topics),
            }
        )

    async def admit(self, users: Mapping[str, Iterable[Right]]) -> None:
        """Give users passwords (kept in the home) and rights; returns when the broker takes them. Raises UserTaken.

        Nothing where rights are switched off, or on a broker that knows no identities; without SCRAM, rights alone.
        """
        if not self._access.gives_rights or not users:
            return
        if self._access.makes_users:
            await self._require_free(users)
        for user, user_rights in users.items():
            name = self.topics.user(user)
            if self._access.makes_users:
                await self.admin.ensure_user(name, self._home.secret(f"users/{user}"))
            await self.admin.ensure_rights(replace(right, user=name) for right in user_rights)
        if self._access.makes_users:
            await require_known(self._access.as_user(name, self._home.secret(f"users/{user}")))

    async def withdraw(self, former: Iterable[Right]) -> None:
        """Take single rights away that a user had before, where the bus gives rights."""
        if self._access.gives_rights:
            await self.admin.remove_rights(replace(right, user=self.topics.user(right.user)) for right in former)

    async def dismiss(self, user: str) -> None:
        """Take a user's rights and password away, where the bus gave them."""
        if self._access.gives_rights:
            await self.admin.remove_user(self.topics.user(user), password=self._access.makes_users)

    async def clear(self) -> None:
        """Take away every topic and user of the bus, which must have a prefix: without one nothing tells them apart."""
        prefix = self.topics.prefix
        assert prefix, "all topics of that Kafka would go"
        await self.admin.delete_topics([topic for topic in await self.admin.topics() if topic.startswith(prefix)])
        if self._access.gives_rights:
            for name in await self.admin.users_with_rights(prefix):
                await self.dismiss(name.removeprefix(prefix))

    @property
    def _is_of_the_home(self) -> bool:
        """Whether the Kafka is this home's own: its administrator has his password from here."""
        return self._home.has_secret(_ADMIN) and self._access.password == self._home.secret(_ADMIN)

    async def _require_free(self, users: Iterable[str]) -> None:
        """Return if nobody else's password would be changed. Raises UserTaken.

        On this home's own Kafka all users are the home's.
        """
        if self._is_of_the_home:
            return
        new = [self.topics.user(user) for user in users if not self._home.has_secret(f"users/{user}")]
        taken = sorted(await self.admin.users(new)) if new else []
        if taken:
            raise UserTaken(users=", ".join(taken), bootstrap=self._access.bootstrap)


def topics_of(topics: Topics, state: RegisterState, present: Mapping[str, int]) -> list[TopicSpec]:
    """The topics of datasets and agreements that the register names, as they must be; `present` are those there are.

    Partitions that were added to a flow's topic do no harm: whoever writes there names the partition.
    """
    changes = [topics.changes_spec(name) for name in state.datasets]
    hidden = {one.topic: one.document.get("identifier") == "pseudonym" for one in state.agreements.values()}
    flows = [topics.agency_spec(topic, pseudonymous=pseudonymous) for topic, pseudonymous in hidden.items()]
    return [*changes, *(replace(one, partitions=max(one.partitions, present.get(one.name, 0))) for one in flows)]
