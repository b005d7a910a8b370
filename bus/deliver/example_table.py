"""An example: a bank keeps the addresses that were released to it in a table of its own, and no others.

`python -m bus.deliver.example_table postgresql://…`; kill it when you like, and start it again.
"""

import asyncio
import sys

import psycopg

from bus.deliver.subscribe import subscribe  # elsewhere: from bus.subscribe import Table, subscribe
from bus.deliver.table import Table

COLUMNS = {
    "personal_id": "text",
    "full_name": "text",
    "residence_province": "text",
    "residence_address": "text",
    "is_adult": "boolean",
}


async def main(dsn: str) -> None:
    """Read for ever; each batch is one transaction of the database."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as database:
        addresses = Table(database, "client_address", COLUMNS)
        await addresses.prepare()
        flow = subscribe("commercial-bank", "person-address-to-bank", group="addresses", begin=addresses.begin)
        async with flow as arrivals:
            async for batch in arrivals.batches():
                await addresses.apply(batch)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
