"""Which files a source's patterns mean, told once for include, exclude and the folders that need no visit.

Globs as people know them from pathlib and rsync: `*` and `?` stay within one name, `**` crosses folders, `[abc]` is a
choice. Python 3.11 has neither `glob.translate` nor a `**` in `PurePath.match`, so the translation stands here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|[^*?\[]+|\[")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True)
class Globs:
    """The files that some patterns include and none excludes; paths are relative, with `/`."""

    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()

    def includes(self, path: str) -> bool:
        """Whether the file at `path` belongs; a file in an excluded folder is never asked for."""
        return _matches(self.include, path) and not _matches(self.exclude, path)

    def excludes_folder(self, path: str) -> bool:
        """Whether all beneath the folder is excluded, so that it need not be entered."""
        return _matches(self.exclude, path) or _matches(self.exclude, f"{path}/")


def _matches(patterns: tuple[str, ...], path: str) -> bool:
    return bool(patterns) and compiled(patterns).fullmatch(path) is not None


@lru_cache(maxsize=256)
def compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One regular expression for all the patterns."""
    return re.compile("|".join(_translated(pattern) for pattern in patterns), re.DOTALL)


def _translated(pattern: str) -> str:
    return "".join(_piece(token) for token in _TOKEN.findall(pattern.removeprefix("./")))


def _piece(token: str) -> str:
    if token in _MEANING:
        return _MEANING[token]
    if len(token) > 2 and token.startswith("["):
        barred = token[1] in "!^"
        choice = _choice(token[2:-1] if barred else token[1:-1])
        if not choice:  # ranges such as `z-a` hold nothing
            return "[^/]" if barred else "(?!)"
        return f"(?!/)[{'^' if barred else ''}{choice}]"
    return re.escape(token)


def _choice(body: str) -> str:
    """The characters and ranges between the brackets, as a regular expression has them between its own."""
    parts, at = [], 0
    while at < len(body):
        if body[at + 1 : at + 2] == "-" and at + 2 < len(body):
            first, last = body[at], body[at + 2]
            parts.append(f"{re.escape(first)}-{re.escape(last)}" if first <= last else "")
            at += 3
        else:
            parts.append(re.escape(body[at]))
            at += 1
    return "".join(parts)
