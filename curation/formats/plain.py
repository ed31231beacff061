"""Text that stands for itself: plain text, Markdown, reStructuredText and source code are kept to the letter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.formats.decoding import decode
from curation.formats.extracts import Extract, Item, ReadingSettings

SOURCE_CODE = {
    "text/x-python": (".py", ".pyi", ".pyx", ".pxd"),
    "text/x-c": (".c", ".h"),
    "text/x-c++": (".cc", ".cpp", ".cxx", ".hpp", ".hh"),
    "text/x-cuda": (".cu", ".cuh"),
    "text/x-csharp": (".cs",),
    "text/x-fortran": (".f", ".f90"),
    "text/x-go": (".go",),
    "text/x-haskell": (".hs",),
    "text/x-java": (".java",),
    "text/javascript": (".js", ".mjs", ".cjs", ".jsx"),
    "text/x-typescript": (".ts", ".tsx"),
    "text/x-julia": (".jl",),
    "text/x-kotlin": (".kt",),
    "text/x-lua": (".lua",),
    "text/x-perl": (".pl", ".pm"),
    "text/x-php": (".php",),
    "text/x-r": (".r",),
    "text/x-ruby": (".rb",),
    "text/x-rust": (".rs",),
    "text/x-scala": (".scala",),
    "text/x-sh": (".sh", ".bash"),
    "text/x-sql": (".sql",),
    "text/x-swift": (".swift",),
    "text/x-tex": (".tex",),
    "text/css": (".css",),
    "application/xml": (".xml", ".xsd", ".svg"),
    "application/yaml": (".yaml", ".yml"),
    "application/toml": (".toml",),
}
"""Languages whose files are told by their ending, for no content tells them surely."""

_HEADING = re.compile(r"^#{1,2}[ \t]{1,20}(\S[^\n]{0,300})", re.MULTILINE)


def read_plain(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The whole file as one document, character by character."""
    yield Extract("", media_type, decode(data))


def read_markdown(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The whole file as one document, with its first heading of level one or two as the title."""
    text = decode(data)
    heading = _HEADING.search(text.partition("```")[0])
    yield Extract("", media_type, text, heading[1].rstrip(" \t\r#") or None if heading else None)
