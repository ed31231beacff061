"""Documents that are packed as ZIP archives: what they are, and their parts within the limits.

Office documents and books are XML in an archive. What can be done to a parser with such a file is done before it parses:
an archive that unfolds to too much, and XML that declares entities, are refused here.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence

from curation.formats.extracts import ReadingSettings, Unreadable

ZIP = "application/zip"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EPUB = "application/epub+zip"

_MAIN_PARTS = {"word/document.xml": DOCX, "ppt/presentation.xml": PPTX, "xl/workbook.xml": XLSX}
_OFFICE = "application/vnd.openxmlformats-officedocument"
_LONGEST_TYPE = 128
BROKEN = (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError, NotImplementedError, EOFError)
"""What a package that is damaged makes its reader raise."""
_DECLARATION = b"<!DOCTYPE"
_DAMAGED = "it is cut short or altered: fetch it again"


def kind_of(data: bytes) -> str:
    """The media type of a document that is a ZIP archive only by its packing; `ZIP` for an archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _told(archive, archive.namelist())
    except BROKEN:
        return ZIP


def _told(archive: zipfile.ZipFile, names: Sequence[str]) -> str:
    if "[Content_Types].xml" in names:
        return next((kind for part, kind in _MAIN_PARTS.items() if part in names), _OFFICE)
    if "mimetype" in names and archive.getinfo("mimetype").file_size < _LONGEST_TYPE:
        said = archive.read("mimetype").decode("ascii", "replace").strip()
        return said if said.startswith("application/") and said.isprintable() else ZIP
    return ZIP


def opened(data: bytes, settings: ReadingSettings) -> zipfile.ZipFile:
    """The package. Raises Unreadable for one that is damaged, has a password, or unfolds to too much."""
    try:
        package = zipfile.ZipFile(io.BytesIO(data))
    except BROKEN as error:
        raise Unreadable("damaged document", _DAMAGED) from error
    members = package.infolist()
    if any(member.flag_bits & 1 for member in members):
        raise Unreadable("encrypted", "save the document without a password")
    if sum(member.file_size for member in members) > settings.max_unfolded:
        raise Unreadable("over the limit", f"it unfolds to more than reading.max_unfolded ({settings.max_unfolded})")
    return package


def part_of(package: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a part; no more than its size says. Raises Unreadable when it is missing or damaged."""
    try:
        return package.read(name)
    except (KeyError, *BROKEN) as error:
        raise Unreadable("damaged document", f"its part {name!r} cannot be read: save it again") from error


def without_declarations(data: bytes, settings: ReadingSettings) -> io.BytesIO:
    """An office document whose XML declares no entities; Office writes none. Raises Unreadable for another one."""
    with opened(data, settings) as package:
        for name in package.namelist():
            if name.endswith((".xml", ".rels")) and _declares(part_of(package, name)):
                raise Unreadable("malformed document", "its XML has a document type declaration: save it again")
    return io.BytesIO(data)


def _declares(xml: bytes) -> bool:
    """Whether XML has a document type, in any of the encodings that parsers guess (UTF-16 has NULs in between)."""
    return _DECLARATION in xml.replace(b"\0", b"").upper()
