"""Agreements, keys and consents."""

from bus.errors.base import BusError


class FilterError(BusError):
    """A filter met a record that it could not be evaluated on; the record is withheld as `filter-error`."""

    message = "the filter of {agreement} could not be evaluated on a record"
    remedy = "Guard fields that can be missing with has(); `bus agreement try` shows the step that failed."


class FieldMissing(BusError):
    """A record lacks a field that the agreement releases; the record is withheld as `field-missing`."""

    message = "a record lacks the field {field} that {agreement} releases, or holds it in another type"
    remedy = "The registry's schema and the agreement have grown apart: check the agreement against the newest schema."


class AgreementUnfit(BusError):
    """An agreement of the register does not fit its dataset, or breaks a rule; it lets nothing through."""

    message = "the agreement {agreement} does not fit {dataset}: {reason}"
    remedy = "Check it with `bus agreement check` against the newest schema, and activate the mended text."


class ReadersCannotFollow(AgreementUnfit):
    """Under a new text the recipient's programs could not read a field, or would take it for another thing."""

    message = "the readers of {agreement} cannot follow ({told}): the flow needs a new major version, `major: {major}`"
    remedy = (
        "Give these fields as before; or write `major: {major}` into the text: its flow has a topic of its own then."
    )


class AgreementWrong(BusError):
    """An agreement was to be used that has findings."""

    message = "{file} has {count} findings:\n{findings}"
    remedy = "Mend them; `bus agreement check` shows them again."


class CountryFileWrong(BusError):
    """The file of agencies or of legal bases is wrong."""

    message = "{file} cannot be used: {findings}"
    remedy = "Mend the file; the agencies' README shows its keys."


class StepRefused(BusError):
    """A step in the life of an agreement, or of a key, that may not be taken; `refusal` is its code."""

    message = "{agreement} cannot be {action}: {refusal}"
    remedy = "`bus agreement history {agreement}` shows what happened so far, and who did it."
    exit_code = 3


class KeyStepRefused(StepRefused):
    """A step about a key that may not be taken: it would make it known, or let it count no more."""

    message = "the key {agreement} cannot be {action}: {refusal}"
    remedy = "`bus key list` shows the keys that the register knows, and for whom each speaks; --as names who signs."


class KeyMissing(BusError):
    """The secret of a key is not in this home, or the register does not know the key."""

    message = "there is no secret of the key {key} here that fits the register"
    remedy = "`bus key list` shows the keys that the register knows; `bus key new` makes one in this BUS_HOME."


class ConsentApiUnreachable(BusError):
    """The consent API did not answer, or something else did."""

    message = "the consent API at {url} does not answer ({reason})"
    remedy = "Is it running? `bus status` shows the local one; BUS_CITIZEN names another."
    retryable = True


class ConsentRefused(BusError):
    """The consent API refused a request; nothing was written."""

    message = "the consent API refused the request: {reason}"
    remedy = "{instead}"


class ActsRefused(BusError):
    """A request to the consent API is refused whole; `findings` says where and why."""

    message = "{count} things are wrong with the request; nothing of it was written"
    remedy = "Mend them: each is told with its place, the reason and a remedy."


class NotNow(BusError):
    """The consent API cannot know or do at this moment what is asked; nothing is lost."""

    message = "{what}"
    remedy = "Send the same again in a moment: an event that is sent twice, with the same id, counts once."
    retryable = True


class ConsentPending(BusError):
    """A consent event lies in its topic, and its lane has not come to it."""

    message = "the event at partition {partition} offset {offset} is still pending after {seconds:.0f} s"
    remedy = "It is safe and takes effect when the router serves that lane: `bus status` shows whether it runs."
    retryable = True
