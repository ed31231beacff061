"""Footnotes and endnotes of Word documents: a mark where each is referred to, and the notes at the document's end.

They lie in parts of their own, and the library that reads the rest passes over them. Their numbers follow the references,
for those in the file are names and no numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from curation.formats.structure import Block, Structure

_KINDS = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}


def with_notes(document: Any, structure: Structure) -> list[Block]:
    """Write `[^1]` (or `[1]` in plain text) where the document refers to a note; the notes themselves, in that order."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    texts = {kind: dict(_texts(document, kind)) for kind in _KINDS.values()}
    caret = "^" if structure == "markdown" else ""
    blocks: list[Block] = []
    for reference in document.element.body.xpath(".//w:footnoteReference | .//w:endnoteReference"):
        kind = _KINDS[reference.tag.rpartition("}")[2]]
        text = texts[kind].get(reference.get(qn("w:id")), "").strip()
        if text:
            mark = OxmlElement("w:t")
            mark.text = f"[{caret}{len(blocks) + 1}]"
            reference.getparent().replace(reference, mark)
            blocks.append(Block(f"{mark.text}: {text}" if caret else f"{mark.text} {text}"))
    return blocks


def _texts(document: Any, kind: str) -> Iterator[tuple[str, str]]:
    """The notes of a kind, by their names in the file."""
    from docx.oxml import parse_xml
    from docx.oxml.ns import qn
    from docx.text.paragraph import Paragraph

    for relation in document.part.rels.values():
        if relation.is_external or relation.reltype.rpartition("/")[2] != kind:
            continue
        for note in parse_xml(relation.target_part.blob):
            lines = (Paragraph(line, document).text for line in note.iter(qn("w:p")))
            yield note.get(qn("w:id")) or "", "\n".join(line.strip() for line in lines if line.strip())
