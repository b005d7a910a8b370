"""The tables of bytes under a lane's store: when what waits is written."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from bus.route.store.tables import Tables


@pytest.mark.parametrize(("puts", "at_most"), [(2, 513), (300, 4395)])
def test_a_lane_that_has_time_writes_little_at_once(tmp_path: Path, puts: int, at_most: int) -> None:
    """After small landings few puts are written at a time, for changes wait meanwhile; after large ones many."""
    written: list[int] = []
    table, write = Tables(tmp_path), Tables._written

    def counted(self: Tables, tables_of: Any) -> bool:
        written.append(sum(map(len, tables_of.values())))
        return write(self, tables_of)

    def landing(first: int) -> None:
        for number in range(first, first + puts):
            table.put("t", b"%d" % number, b"x")

    with patch.object(Tables, "_written", counted):
        for first in range(0, 9000, puts):
            table.land(lambda first=first: landing(first))  # type: ignore[misc]  # bound now
    table.close(sync=False)
    assert at_most - puts < max(written) <= at_most
