"""Libraries that only some workspaces need, and what brings them.

The core reads, deduplicates and filters. Models, people, further formats and remote stores are extras of the package, so
that a machine which only curates needs no torch; what is missing is named with the extra that has it.
"""

from __future__ import annotations

import importlib.metadata
import re
from functools import cache
from importlib.metadata import PackageNotFoundError

ABSENT = "not installed"
_MISSING = re.compile(r"No (?:module named|package metadata was found for) '?([\w.-]+)")
_OF_EXTRA = re.compile(r"^([\w.-]+).*extra == [\"'](\w+)[\"']")


@cache
def version_of(distribution: str) -> str:
    """The version of a distribution that was installed when this process asked first; ABSENT when it was not."""
    try:
        return importlib.metadata.version(distribution)
    except PackageNotFoundError:
        return ABSENT


def extras() -> dict[str, str]:
    """Distribution to the extra that brings it, as the package itself says."""
    found: dict[str, str] = {}
    for line in importlib.metadata.requires("headwater") or []:
        matched = _OF_EXTRA.match(line)
        if matched and matched[2] != "dev":
            found.setdefault(matched[1].lower(), matched[2])
    return found


def with_mend(message: str) -> str:
    """An error's message, with the command that installs what it misses, when it misses a library of an extra."""
    missing = _MISSING.search(message)
    extra = extras().get(missing[1].split(".")[0].lower().replace("_", "-")) if missing else None
    return f"{message}: pip install 'headwater[{extra}]'" if extra else message
