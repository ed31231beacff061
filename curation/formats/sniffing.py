"""What a file is: its content says so first, its ending only helps.

Bytes that are text in no encoding are known by their magic numbers or are just binary. Among texts, HTML and JSON show
themselves; Markdown, CSV or Python look like any other text, so there the ending decides. A name that lies (a picture
called `.txt`, JSON lines called `.json`) does no harm. A magic number made of letters counts only in bytes that are no
text: an essay may begin with `GIF89a`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from curation.formats.decoding import are_of_rows, is_text

BINARY = "application/octet-stream"
JSON = "application/json"
JSON_LINES = "application/jsonl"
_ROWS = ("text/csv", "text/tab-separated-values", JSON_LINES)

_BINARY_MAGIC = (
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),  # without members
    (b"\x1f\x8b", "application/gzip"),
    *((b"BZh%d1AY&SY" % level, "application/x-bzip2") for level in range(1, 10)),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x7fELF", "application/x-elf"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\0asm", "application/wasm"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x93NUMPY", "application/x-numpy"),
    (b"ARROW1", "application/vnd.apache.arrow.file"),
    (b"\xff\xff\xff\xff", "application/vnd.apache.arrow.stream"),
    (b"GGUF", "application/x-gguf"),
)
_NO_TEXT_MAGIC = tuple(entry for entry in _BINARY_MAGIC if not entry[0].isalnum())
_TEXTUAL_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS", "application/postscript"),
    (b"{\\rtf", "application/rtf"),
    (b"WARC/1.", "application/warc"),
)
_HTML = (
    re.compile(  # goes back nowhere: else a page of many comments takes minutes. Groups are atomic, as in `json_files`
        rb"\s*+(?>(?:<\?xml[^>]*+>\s*+)?)(?>(?:<!--(?>.*?-->)\s*+)*)<(?:!doctype\s++html|html)[\s>]",
        re.IGNORECASE | re.DOTALL,
    )
)
_SHEBANG = re.compile(rb"#![^\n]*?\b(python|sh|bash|perl|ruby|node)[\d.]*\b")
_SHEBANG_TYPES = {
    b"python": "text/x-python",
    b"sh": "text/x-sh",
    b"bash": "text/x-sh",
    b"perl": "text/x-perl",
    b"ruby": "text/x-ruby",
    b"node": "text/javascript",
}
_HEAD = 4096
_BLACK = re.compile(rb"\S")


def media_type(data: bytes, path: str, endings: Mapping[str, str]) -> str:
    """The media type of a file's bytes; `endings` maps a lower-case ending with its dot to the type it hints at."""
    if not is_text(data):
        return _magic(data, _BINARY_MAGIC) or _magic(data, _TEXTUAL_MAGIC) or _tar(data) or _rows(data, path, endings)
    head = data[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe").replace(b"\0", b"")
    if found := _magic(head, _TEXTUAL_MAGIC) or _magic(data, _NO_TEXT_MAGIC):
        return found
    if _HTML.match(head):
        return "text/html"
    hint = endings.get(PurePosixPath(path).suffix.lower(), "")
    if hint in ("", JSON, JSON_LINES) and (shape := _json_shape(data, hint)):
        return shape
    return hint or _shebang(head) or "text/plain"


def _rows(data: bytes, path: str, endings: Mapping[str, str]) -> str:
    """A table some rows of which hold NULs (a disk that failed leaves them) is what its ending says, or lines of JSON."""
    hint = endings.get(PurePosixPath(path).suffix.lower(), "")
    if not are_of_rows(data):
        return BINARY
    if hint in _ROWS:
        return hint
    return JSON_LINES if hint in ("", JSON) and _json_shape(data, hint) == JSON_LINES else BINARY


def _tar(data: bytes) -> str:
    """A tar archive has its magic number behind the first member's name."""
    return "application/x-tar" if data[257:262] == b"ustar" else ""


def _magic(data: bytes, table: tuple[tuple[bytes, str], ...]) -> str:
    return next((name for magic, name in table if data.startswith(magic)), "")


def _shebang(head: bytes) -> str:
    found = _SHEBANG.match(head)
    return _SHEBANG_TYPES[found[1]] if found else ""


def _json_shape(data: bytes, hint: str) -> str:
    """JSON (one value) or JSON lines (a value a line), whatever the ending says; "" when it is neither."""
    start = data[:64].removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip()[:1]
    if start not in (b"{", b"["):
        return hint
    end = data.find(b"\n")
    if end >= 0 and (rest := _BLACK.search(data, end)) and _is_json(data[:end]):
        after = data.find(b"\n", rest.start())
        if hint or _is_json(data[rest.start() : after if after >= 0 else len(data)]):
            return JSON_LINES
    if hint:
        return JSON if start == b"[" else hint
    return JSON if _is_json(data) else ""


def _is_json(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict | list)
    except (ValueError, RecursionError):
        return False
