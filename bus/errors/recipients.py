"""Recipients, who read what was released to them."""

from bus.errors.base import BusError


class TopicForbidden(BusError):
    """The broker lets this user not read a topic."""

    message = "the broker lets the user {user} not read {topics}"
    remedy = "An agency reads its own topics only. Enrolling it again (`bus register`) gives it its rights."


class AwayTooLong(BusError):
    """A recipient was away for longer than tombstones are kept: some may be gone before it has read them."""

    message = "the group {group} has not read {topic} to its end for {days} days"
    remedy = "Erasures may have been missed: empty the copy, and read from the beginning under another group."
    exit_code = 2


class CopyTooOld(AwayTooLong):
    """A recipient's copy is an old one, as after a backup was restored: tombstones may be gone that it has not seen."""

    message = "the copy by which the group {group} begins in {topic} lacks what came more than {days} days ago"
    remedy = "Erasures may have been missed: empty the copy with its places; reading then goes on from the beginning."


class NoSuchFlow(BusError):
    """A recipient asks for agreements of which it has no topic, or that it may not read."""

    message = "{agency} may read no topic of {agreements}"
    remedy = "Check the names. A topic is made when its agreement is activated; `bus agency list` shows them."
    exit_code = 2
