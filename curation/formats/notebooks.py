"""Jupyter notebooks: words as they stand, code and its printed results in fences; pictures stay out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from curation.formats.decoding import decode
from curation.formats.extracts import Extract, Item, ReadingSettings, Unreadable
from curation.formats.metadata import as_json

NOTEBOOK = "application/x-ipynb+json"


def read_notebook(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The whole notebook as one document in Markdown. Raises Unreadable when its JSON is broken or has no cells."""
    try:
        book = json.loads(decode(data))
    except (ValueError, RecursionError) as error:
        raise Unreadable("malformed notebook", "its JSON is cut short or damaged: save it again") from error
    cells = book.get("cells") if isinstance(book, Mapping) else None
    if not isinstance(cells, list):
        raise Unreadable("malformed notebook", "it has no list of cells: save it in format 4 or newer")
    language = _language(book)
    blocks = [block for cell in cells if isinstance(cell, Mapping) for block in _blocks(cell, language)]
    yield Extract("", media_type, "\n\n".join(blocks), None, None, as_json({"programming_language": language}))


def _blocks(cell: Mapping[str, object], language: str) -> Iterator[str]:
    source = _joined(cell.get("source")).strip("\n")
    if source.strip():
        yield _fenced(source, language) if cell.get("cell_type") == "code" else source
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        said = _printed(output).strip("\n") if isinstance(output, Mapping) else ""
        if said.strip():
            yield _fenced(said, "")


def _printed(output: Mapping[str, object]) -> str:
    data = output.get("data")
    return _joined(data.get("text/plain") if isinstance(data, Mapping) else output.get("text"))


def _fenced(text: str, language: str) -> str:
    """The text in a fence that is longer than any run of backticks in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"


def _joined(text: object) -> str:
    lines = text if isinstance(text, list) else [text]
    return "".join(line for line in lines if isinstance(line, str))


def _language(book: Mapping[str, object]) -> str:
    about = book.get("metadata")
    info = about.get("language_info") if isinstance(about, Mapping) else None
    name = info.get("name") if isinstance(info, Mapping) else None
    return name if isinstance(name, str) and name.isascii() and len(name) < 40 and name.isprintable() else ""
