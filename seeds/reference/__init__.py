"""The independent checker: what every agency must hold, worked out from the registries, against what it does hold.

It imports nothing of the bus, and nothing of the country but this folder.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seeds.reference.agreements import AGREEMENTS
from seeds.reference.judge import judge
from seeds.reference.pseudonyms import Keys
from seeds.reference.read_bus import read_bus, schemas_at
from seeds.reference.read_registries import read_registries


def check(request: dict[str, Any]) -> dict[str, Any]:
    """Read and judge; both sides are plain JSON.

    `kafka`: configuration of confluent-kafka for a user who may read everything; `prefix`; `schema_registry`: its URL;
    `schema_registry_headers`: those that say who asks there;
    `root_key`: hex; `salts`: recipient → hex;
    `connectors`: name → how its source is reached (`population`, `land`: dsn; `tax`: url, token);
    `home`: where the country has written down how its insurance system is reached, whose connector only sees files.
    """
    sources = request["connectors"]
    began = time.monotonic()
    with schemas_at(request["schema_registry"], request["schema_registry_headers"]) as schema_of:
        reading = read_bus(request["kafka"], request["prefix"], schema_of)
    registries = read_registries(
        sources["population"]["dsn"], sources["land"]["dsn"], sources["tax"], _insurance(Path(request["home"]))
    )
    verdict = judge(reading, registries, AGREEMENTS, _keys(request), datetime.now(UTC))
    return {**verdict.as_json(), "seconds": round(time.monotonic() - began, 2)}


def _keys(request: dict[str, Any]) -> Keys:
    salts = {recipient: bytes.fromhex(salt) for recipient, salt in request["salts"].items()}
    return Keys(bytes.fromhex(request["root_key"]), salts)


def _insurance(home: Path) -> dict[str, str]:
    folder = home / "country"
    port, token = ((folder / f"insurance.{what}").read_text("utf-8").strip() for what in ("port", "token"))
    return {"url": f"http://127.0.0.1:{port}", "token": token}
