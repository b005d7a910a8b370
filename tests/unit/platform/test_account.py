"""The account that PostgreSQL runs under, whose folder is not ours."""

import os
from pathlib import Path

from bus.platform.account import Account


def test_what_is_given_is_what_lies_there(tmp_path: Path) -> None:
    """A link that somebody has put in the place of a file is given away itself, never the file that it leads to."""
    link = tmp_path / "password"
    link.symlink_to(tmp_path / "elsewhere")
    Account(tmp_path, tmp_path, ids=(os.geteuid(), os.getegid())).give(link)
    assert not (tmp_path / "elsewhere").exists()
