"""Office documents: DOCX, PPTX and XLSX, by the libraries that write them too.

Headings, lists, tables and listings come out as Markdown (`reading.structure`). What a document refers to outside itself
is never fetched. A presentation is one document, with the notes below each slide; a workbook is a table-like file, and
each row of each sheet a document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from curation.formats.extracts import Extract, Item, ReadingSettings, Unreadable, below
from curation.formats.metadata import as_json, iso_date
from curation.formats.office_notes import with_notes
from curation.formats.packages import BROKEN, without_declarations
from curation.formats.rows import Row, extracts
from curation.formats.structure import Block, Table, written

if TYPE_CHECKING:
    from docx.text.paragraph import Paragraph

_HEADING = re.compile(r"(?:Heading|Title|Subtitle)\s*(\d*)", re.IGNORECASE)
_LIST = re.compile(r"List (?:Bullet|Number|Continue|Paragraph)?\s*(\d*)", re.IGNORECASE)
_CODE = re.compile(r"Source Code|Preformatted|HTML Code|^Code|^Macro Text", re.IGNORECASE)
_MEND = "it is damaged or no document of this kind: save it again"


def read_docx(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The text of a Word document, in its order, then its notes. Raises Unreadable when there is none."""
    import docx

    document = _loaded(docx.Document, data, settings)
    notes = with_notes(document, settings.structure)
    blocks = (
        _paragraph(part) if hasattr(part, "style") and hasattr(part, "runs") else _table(part.rows)
        for part in document.iter_inner_content()
    )
    yield _extract(media_type, written(chain(blocks, notes), settings.structure), document.core_properties)


def read_pptx(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The text of a presentation: each slide's title as a heading, what it shows, and its notes."""
    import pptx

    deck = _loaded(pptx.Presentation, data, settings)
    blocks = chain.from_iterable(_slide(slide) for slide in deck.slides)
    yield _extract(media_type, written(blocks, settings.structure), deck.core_properties)


def read_xlsx(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per row, at `sheet=Prices/row=5`; the first row of a sheet that says anything is its header.

    Of a formula its last value counts. A sheet without text fails alone.
    """
    import openpyxl

    book = _loaded(partial(openpyxl.load_workbook, read_only=True, data_only=True, keep_links=False), data, settings)
    for sheet in book.worksheets:
        name = sheet.title.replace("#", "##")
        yield from below(f"sheet={name}", "/", partial(_sheet, sheet, media_type, settings), settings)


def _loaded(load: Any, data: bytes, settings: ReadingSettings) -> Any:
    file = without_declarations(data, settings)
    try:
        return load(file)
    except (LookupError, AttributeError, TypeError, SyntaxError, *BROKEN) as error:
        raise Unreadable("malformed document", _MEND) from error


def _extract(media_type: str, text: str, properties: Any) -> Extract:
    if not text:
        raise Unreadable("no text", "the document shows no text (pictures alone?); exclude it")
    when = properties.created
    date = iso_date(when) if isinstance(when, datetime) else None
    return Extract("", media_type, text, properties.title or None, date, as_json({"language": properties.language}))


def _paragraph(paragraph: Paragraph) -> Block:
    name = (paragraph.style.name if paragraph.style is not None else None) or ""
    if heading := _HEADING.match(name):
        return Block(paragraph.text, "heading", int(heading[1] or 1))
    if _CODE.search(name):
        return Block(paragraph.text, "code")
    depth = _depth(paragraph)
    if depth is None and (item := _LIST.match(name)):
        depth = int(item[1] or 1) - 1
    return Block(paragraph.text) if depth is None else Block(paragraph.text, "item", depth + 1)


def _depth(paragraph: Paragraph) -> int | None:
    """How deep in a list a paragraph lies, from 0; None outside of one."""
    found = paragraph._p.xpath("./w:pPr/w:numPr/w:ilvl/@w:val")
    if found:
        return min(int(found[0]), 8) if found[0].isdecimal() else 0
    return 0 if paragraph._p.xpath("./w:pPr/w:numPr/w:numId") else None


def _table(rows: Iterable[Any]) -> Table:
    return Table([_cells(row.cells) for row in rows])


def _cells(cells: Sequence[Any]) -> list[str]:
    """The texts of a row; a cell that spans several columns is given for each, and counts once."""
    texts, before = [], None
    for cell in cells:
        element = getattr(cell, "_tc", cell)
        texts.append("" if element is before else cell.text)
        before = element
    return texts


def _slide(slide: Any) -> Iterator[Block | Table]:
    title = slide.shapes.title
    if title is not None:
        yield Block(title.text_frame.text, "heading", 2)
    for shape in slide.shapes:
        if title is None or shape.shape_id != title.shape_id:
            yield from _shape(shape)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
        yield from (Block(line.text) for line in notes.paragraphs)


def _shape(shape: Any) -> Iterator[Block | Table]:
    if hasattr(shape, "shapes"):
        for inner in shape.shapes:
            yield from _shape(inner)
    elif getattr(shape, "has_table", False):
        yield _table(shape.table.rows)
    elif shape.has_text_frame:
        lines = [line for line in shape.text_frame.paragraphs if line.text.strip()]
        several = len(lines) > 1
        yield from (Block(line.text, "item", line.level + 1) if several else Block(line.text) for line in lines)


def _sheet(sheet: Any, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    sheet.reset_dimensions()  # a sheet may claim a million columns that it does not have
    return extracts(_rows(sheet), media_type, settings)


def _rows(sheet: Any) -> Iterator[Row]:
    header: list[str] = []
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if all(value is None for value in values):
            continue
        if not header:
            header = [str(value) if value is not None else f"column {at}" for at, value in enumerate(values, 1)]
            continue
        names = [*header, *(f"column {at}" for at in range(len(header) + 1, len(values) + 1))]
        yield f"row={number}", {name: value for name, value in zip(names, values, strict=False) if value is not None}
