"""What topics are set to."""

import pytest

from bus.topics import Topics, TopicSpec

SPECS = (
    *Topics("", 8).founding(),
    Topics("", 8).changes_spec("a.b"),
    *Topics("", 8).connector_specs("a"),
    Topics("", 8).agency_spec("x", pseudonymous=True),
)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_no_setting_is_asked_for_twice(spec: TopicSpec) -> None:
    """A topic has one value for each setting: with two, no topic could be right, and no bus start a second time."""
    names = [name for name, _ in spec.config]
    assert len(names) == len(set(names))


def test_who_dates_what() -> None:
    """The broker dates the facts of the register; everything else keeps the time of its writer."""
    dated = {spec.name for spec in SPECS if dict(spec.config)["message.timestamp.type"] == "LogAppendTime"}
    assert dated == {Topics("", 8).register}
