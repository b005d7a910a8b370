"""Settings that are wrong."""

import pytest

from bus.errors import SettingWrong
from bus.settings import KafkaSettings, Settings


def test_a_wrong_setting_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an environment variable cannot hold is told with its name and what it is for, and its value is not."""
    monkeypatch.setenv("BUS_LANES", "hidden")
    with pytest.raises(SettingWrong) as raised:
        Settings()
    told = " ".join(raised.value.lines)
    assert "BUS_LANES is set to what it cannot be: input should be a valid integer" in told
    assert "partitions of every topic" in told
    assert "hidden" not in told
    monkeypatch.setenv("BUS_KAFKA_SECURITY_PROTOCOL", "hidden")
    with pytest.raises(SettingWrong, match="BUS_KAFKA_SECURITY_PROTOCOL") as raised:
        KafkaSettings()
    assert "hidden" not in " ".join(raised.value.lines)
