"""A model's answer as a person reads it: the Markdown that models write, as HTML that can do nothing.

The text is escaped first, and only signs of Markdown become tags, so whatever HTML or script stands in an answer is
shown as the text that it is. Links, images and raw HTML stay text too: nothing leads anywhere, and nothing is fetched.
What is written: headings, lists, quotes, rules, tables, fenced code, inline code, bold and italic by asterisks
(underscores stay, for code is full of them).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

_FENCE = re.compile(r"\s{0,3}(```+|~~~+)")
_HEADING = re.compile(r"\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$")
_RULE = re.compile(r"\s{0,3}([-*_])(\s*\1){2,}\s*$")
_ROW = re.compile(r"\s*\|.*\|\s*$")
_CODE = re.compile(r"(`+)(.+?)(?<!`)\1(?!`)")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_ITALIC = re.compile(r"(?<![\w*])\*(?=[^\s*])(.+?)(?<=[^\s*])\*(?![\w*])")
LONGEST = 20_000
"""Signs are looked for in lines up to this length; a longer one is shown as it is."""


def as_html(text: str) -> str:
    """The text as HTML of harmless tags without attributes."""
    return "".join(_blocks(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")))


def _blocks(lines: list[str]) -> Iterator[str]:
    place = 0
    while place < len(lines):
        line = lines[place]
        if fence := _FENCE.match(line):
            end = _fence_end(lines, place + 1, fence[1])
            yield f"<pre><code>{_plain(chr(10).join(lines[place + 1 : end]))}</code></pre>"
            place = end + 1
        elif not line.strip():
            place += 1
        elif _RULE.fullmatch(line):
            yield "<hr>"
            place += 1
        elif heading := _HEADING.fullmatch(line):
            yield f"<h{len(heading[1])}>{_inline(heading[2])}</h{len(heading[1])}>"
            place += 1
        else:
            end = place + 1
            while end < len(lines) and _sort(lines[end]) == _sort(line):
                end += 1
            yield _run(_sort(line), lines[place:end])
            place = end


def _sort(line: str) -> str:
    """What a run of lines is made of; blank lines, fences, headings and rules end every run."""
    if not line.strip() or _FENCE.match(line) or _HEADING.fullmatch(line) or _RULE.fullmatch(line):
        return "end"
    if _ITEM.match(line):
        return "list"
    if line.lstrip().startswith(">"):
        return "quote"
    if _ROW.fullmatch(line):
        return "table"
    return "code" if line.startswith(("    ", "\t")) else "text"


def _run(sort: str, lines: list[str]) -> str:
    if sort == "code":
        return f"<pre><code>{_plain(chr(10).join(lines))}</code></pre>"
    if sort == "table":
        return f"<pre>{_plain(chr(10).join(lines))}</pre>"
    if sort == "quote":
        return f"<blockquote>{'<br>'.join(_inline(line.lstrip()[1:].strip()) for line in lines)}</blockquote>"
    if sort == "list":
        return f"<p>{'<br>'.join(_item(line) for line in lines)}</p>"
    return f"<p>{'<br>'.join(_inline(line.strip()) for line in lines)}</p>"


def _item(line: str) -> str:
    """An item with the mark it was written with (its own number, or a dot), as far in as it was."""
    found = _ITEM.match(line)
    assert found is not None
    indent, mark, said = found.groups()
    return (
        f"{'&nbsp;' * min(16, len(indent.expandtabs(4)))}{'•' if mark in '-*+' else html.escape(mark)} {_inline(said)}"
    )


def _fence_end(lines: list[str], start: int, fence: str) -> int:
    """The line that closes a fence; a fence that nobody closes holds the rest."""
    closing = re.compile(rf"\s{{0,3}}{re.escape(fence)}{re.escape(fence[0])}*\s*$")
    return next((place for place in range(start, len(lines)) if closing.match(lines[place])), len(lines))


def _inline(text: str) -> str:
    """Code, bold and italic; what stands in code is left alone."""
    if len(text) > LONGEST:
        return _plain(text)
    parts, last = [], 0
    for code in _CODE.finditer(text):
        parts += [_emphasised(text[last : code.start()]), f"<code>{_plain(code[2])}</code>"]
        last = code.end()
    return "".join([*parts, _emphasised(text[last:])])


def _emphasised(text: str) -> str:
    return _ITALIC.sub(r"<em>\1</em>", _BOLD.sub(r"<strong>\1</strong>", _plain(text)))


def _plain(text: str) -> str:
    return html.escape(text, quote=True)
