"""The parts of a document that mean something by how they are set, and how they are written down as text.

Readers of office documents and books give blocks; whether a heading becomes `## A heading` or a plain line is a setting
(`reading.structure`), and no reader's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Structure = Literal["markdown", "text"]


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, unless it says otherwise: `level` counts a heading's rank, or how deep a list's item lies, from 1."""

    text: str
    kind: Literal["paragraph", "heading", "item", "code"] = "paragraph"
    level: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; the first is the header."""

    rows: Sequence[Sequence[str]]
    kind: Literal["table"] = "table"


def written(blocks: Iterable[Block | Table], structure: Structure) -> str:
    """The blocks as text, parted by blank lines; the items of one list, and the lines of one listing, stay together."""
    parts = []
    for kind, group in groupby((block for block in blocks if _says(block)), key=lambda block: block.kind):
        found = [_line(block, structure) for block in group]
        if kind == "code" and structure == "markdown":
            fence = "`" * max(3, 1 + max(_longest_run(text) for text in found))
            found = [fence, *found, fence]
        parts.append(("\n" if kind in ("item", "code") else "\n\n").join(found))
    return "\n\n".join(parts)


def _says(block: Block | Table) -> bool:
    return any(any(row) for row in block.rows) if isinstance(block, Table) else bool(block.text.strip())


def _line(block: Block | Table, structure: Structure) -> str:
    if isinstance(block, Table):
        return _table(block.rows, structure)
    if structure == "text" or block.kind == "paragraph":
        return block.text if block.kind == "code" else block.text.strip()
    if block.kind == "code":
        return block.text
    text = " ".join(block.text.split())
    return f"{'#' * min(block.level, 6)} {text}" if block.kind == "heading" else f"{'  ' * (block.level - 1)}- {text}"


def _table(rows: Sequence[Sequence[str]], structure: Structure) -> str:
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    if structure == "text":
        return "\n".join("\t".join(row) for row in cells)
    width = max(len(row) for row in cells)
    lines = [[cell.replace("|", "\\|") for cell in row] + [""] * (width - len(row)) for row in cells]
    lines.insert(1, ["---"] * width)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _longest_run(text: str) -> int:
    """The longest run of backquotes."""
    return max((len(list(run)) for sign, run in groupby(text) if sign == "`"), default=0)
