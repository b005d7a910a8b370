"""Fetching the pinned jars: each checked, kept when good, fetched again when not, nothing half done."""

import errno
import hashlib
from pathlib import Path
from threading import Event

import pytest

from bus.errors import DiskFull, DownloadFailed, JarCorrupt
from bus.platform.jars import KAFKA_VERSION, PinnedJar, kafka_jars, pinned_jars

CONTENTS = {f"part-{n}": f"jar number {n}".encode() for n in range(6)}
JARS = [PinnedJar("org.example", name, "1.0", hashlib.sha256(body).hexdigest()) for name, body in CONTENTS.items()]


class Place:
    """A place that jars come from. `broken` names what fails there, and how."""

    def __init__(self, broken: dict[str, Exception | bytes] | None = None) -> None:
        self.broken = broken or {}
        self.asked: list[str] = []

    def fetch(self, jar: PinnedJar, scratch: Path) -> Path:
        self.asked.append(jar.artifact)
        file = scratch / "deep" / jar.file_name
        file.parent.mkdir()
        fault = self.broken.get(jar.artifact)
        if isinstance(fault, Exception):
            file.write_bytes(CONTENTS[jar.artifact][:3])  # a connection breaks in the middle of a file
            raise fault
        file.write_bytes(fault or CONTENTS[jar.artifact])
        return file


def names(cache: Path) -> set[str]:
    """What lies in the folder of the jars, hidden files included."""
    return {file.name for file in (cache / f"kafka-{KAFKA_VERSION}").iterdir()}


def test_the_list_pins_every_jar_once() -> None:
    """The list must name 46 different jars of one Kafka version, each with a whole SHA-256."""
    jars = pinned_jars()
    assert len({jar.file_name for jar in jars}) == len(jars) == 46
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {KAFKA_VERSION}


def test_a_second_start_fetches_nothing(tmp_path: Path) -> None:
    """With every jar in place nobody may be asked, in the order of the list."""
    first = kafka_jars(tmp_path, jars=JARS, fetch=Place().fetch)
    place = Place()
    assert kafka_jars(tmp_path, jars=JARS, fetch=place.fetch) == first
    assert place.asked == []
    assert [file.read_bytes() for file in first] == list(CONTENTS.values())


def test_an_interrupted_download_goes_on_where_it_ended(tmp_path: Path) -> None:
    """What had arrived whole must stay, what was half there must not, and only the rest is fetched again."""
    with pytest.raises(DownloadFailed, match=r"org.example:part-4:1.0 .*reset"):
        kafka_jars(tmp_path, jars=JARS, fetch=Place({"part-4": ConnectionError("reset")}).fetch)
    kept = names(tmp_path)
    assert "part-4-1.0.jar" not in kept
    assert all(name.endswith(".jar") for name in kept)
    place = Place()
    kafka_jars(tmp_path, jars=JARS, fetch=place.fetch)
    assert {f"{asked}-1.0.jar" for asked in place.asked} == {jar.file_name for jar in JARS} - kept


def test_no_network_is_told_with_the_jar_and_the_remedy(tmp_path: Path) -> None:
    """The error must name the coordinate and say that starting again goes on, and a retry must be allowed."""
    with pytest.raises(DownloadFailed, match=r"part-\d") as raised:
        kafka_jars(tmp_path, jars=JARS, fetch=Place(dict.fromkeys(CONTENTS, OSError("no route to host"))).fetch)
    assert "network" in raised.value.how_to_mend
    assert raised.value.retryable


def test_a_wrong_hash_is_refused_and_nothing_of_it_stays(tmp_path: Path) -> None:
    """A jar with other bytes must be named, deleted, and never used."""
    with pytest.raises(JarCorrupt, match=r"org.example:part-2:1.0"):
        kafka_jars(tmp_path, jars=JARS, fetch=Place({"part-2": b"malice"}).fetch)
    assert "part-2-1.0.jar" not in names(tmp_path)


def test_a_jar_that_was_damaged_later_is_fetched_again(tmp_path: Path) -> None:
    """A file that no longer has its hash must be replaced, and only that one."""
    files = kafka_jars(tmp_path, jars=JARS, fetch=Place().fetch)
    files[3].write_bytes(b"damaged")
    place = Place()
    kafka_jars(tmp_path, jars=JARS, fetch=place.fetch)
    assert place.asked == ["part-3"]
    assert files[3].read_bytes() == CONTENTS["part-3"]


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    """ENOSPC must name the folder and BUS_CACHE, not the network."""
    full = Place(dict.fromkeys(CONTENTS, OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(DiskFull, match="no space") as raised:
        kafka_jars(tmp_path, jars=JARS, fetch=full.fetch)
    assert "BUS_CACHE" in raised.value.how_to_mend


def test_giving_up_begins_no_further_download(tmp_path: Path) -> None:
    """After Ctrl-C nothing more may be asked for."""
    given_up, place = Event(), Place()
    given_up.set()
    with pytest.raises(DownloadFailed, match="given up"):
        kafka_jars(tmp_path, jars=JARS, fetch=place.fetch, given_up=given_up)
    assert place.asked == []
