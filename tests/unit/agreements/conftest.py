"""Long comparisons are left out unless they are asked for."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked long, here, where no `-m long` asks for it."""
    if "long" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("long") and item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.skip(reason="long: ask for it with -m long"))
