"""BUS_HOME: its folders, its secrets, and how its processes find each other."""

import json
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from bus.errors import HomeUnusable, RootKeyMissing, RootKeyWrong
from bus.platform.home import Home, read_object


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_for_their_owner_alone(home: Home) -> None:
    """Every folder of a home, and the home itself, must be closed to other users."""
    folders = [home.run, home.logs, home.secrets, home.data, home.path]
    assert [mode(folder) for folder in folders] == [0o700] * 5


def test_a_secret_is_made_once(home: Home) -> None:
    """A second reader must get the first one's secret, from a file that its owner alone may read."""
    first = home.secret("users/route")
    assert home.secret("users/route") == first
    assert len(first) >= 43
    assert mode(home.secrets / "users" / "route") == 0o600
    assert mode(home.secrets / "users") == 0o700


def _secret(path: Path) -> str:
    return Home(path).secret("race")


def test_processes_that_race_for_a_secret_get_the_same_one(home: Home) -> None:
    """Twelve calls from four processes at once must all return one value."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        assert len(set(pool.map(_secret, [home.path] * 12))) == 1
    assert list(home.secrets.iterdir()) == [home.secrets / "race"]


def test_the_root_key_has_32_bytes_and_stays(home: Home) -> None:
    """The key must survive a restart, for pseudonyms are derived from it."""
    home.begin_root_key()
    assert len(home.root_key()) == 32
    home.begin_root_key()
    assert Home(home.path).root_key() == home.root_key()


def test_the_root_key_is_never_made_by_its_user(home: Home) -> None:
    """A router that drew one of its own would give every person and record another name: a missing one is an error."""
    with pytest.raises(RootKeyMissing, match=str(home.secrets / "root.key")):
        home.root_key()
    assert not home.has_secret("root.key")


@pytest.mark.parametrize("held", ["", "ab" * 31, "no key"])
def test_what_is_no_root_key_is_told(home: Home, held: str) -> None:
    """A file that was torn, or holds something else, must be named with what to do."""
    home.secret("root.key", lambda: held)
    with pytest.raises(RootKeyWrong, match=str(home.secrets / "root.key")):
        home.root_key()


def test_whoever_makes_a_secret_first_wins(home: Home) -> None:
    """A process that was overtaken while it made a secret must take the other's, not replace it."""

    def overtaken() -> str:
        home.secret("x", lambda: "first")
        return "second"

    assert home.secret("x", overtaken) == "first"
    assert home.secret("x") == "first"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a//b", "", "A", "a/../b", ".hidden"])
def test_a_name_cannot_leave_the_home(home: Home, name: str) -> None:
    """A name that points elsewhere must be refused before any file is touched."""
    with pytest.raises(ValueError, match="not a name"):
        home.secret(name)
    assert not home.has_secret(name), "others' keys may have such ids: nobody stumbles over them"


def test_a_second_process_does_not_take_the_first_ones_announcement_away(home: Home) -> None:
    """Who tries a stage by hand beside the one that runs must not leave everybody without that one when it ends."""
    home.announce_for("schema-registry", 1, port=8081)
    home.withdraw_own("schema-registry")
    assert (home.endpoint("schema-registry") or {})["port"] == 8081
    home.announce("schema-registry", port=8082)
    home.withdraw_own("schema-registry")
    assert home.endpoint("schema-registry") is None


def test_an_announcement_is_found_by_others(home: Home) -> None:
    """What a process says when it is ready must be read back whole, with its pid and the time."""
    home.announce("console", port=8080, version="1")
    told = Home(home.path).endpoint("console")
    assert told is not None
    assert (told["pid"], told["port"], told["version"]) == (os.getpid(), 8080, "1")
    assert told["ready_ms"] > 0
    home.withdraw("console")
    assert home.endpoint("console") is None


def test_a_half_written_ready_file_counts_as_none(home: Home) -> None:
    """A process that writes its ready file without a rename must not be taken for ready too early."""
    file = home.ready_file("seed")
    file.write_text('{"port": 80')
    assert home.endpoint("seed") is None
    file.write_text(json.dumps({"port": 8081}))
    assert home.endpoint("seed") == {"port": 8081}


def test_a_home_that_cannot_be_made_is_told_with_its_remedy(tmp_path: Path) -> None:
    """A file in the place of the home must lead to one clear error that names the folder and BUS_HOME."""
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeUnusable, match="file") as raised:
        _ = Home(tmp_path / "file").run
    assert "BUS_HOME" in raised.value.how_to_mend


def test_other_things_in_a_file_are_no_object(tmp_path: Path) -> None:
    """A list, or no file at all, must read as nothing."""
    (tmp_path / "list").write_text("[1]")
    assert read_object(tmp_path / "list") is None
    assert read_object(tmp_path / "none") is None
