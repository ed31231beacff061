"""HTML pages that people open from a file: reports of what was dropped, of how a model did, of what is in a dataset.

A page stands alone: no script, no font and no picture from elsewhere, and a policy in its head that would refuse them.
Text is text: whatever is no `Html` is escaped where it is put in, so that forgetting to do so cannot happen. Control
characters, and those that turn the reading direction round, stand as signs. The same content gives the same bytes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TypeAlias

from plots import INK, MARK, SOFT


class Html(str):
    """Markup that is put in as it is; any other string is text."""

    __slots__ = ()


Part: TypeAlias = "Html | str | int | Iterable[Part] | None"

_VOID = {"meta", "br", "hr", "img", "wbr"}
_SIGNS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def text(value: object, *, quotes: bool = False) -> Html:
    """The value as text: markup escaped, control characters as signs; for an attribute, quotes escaped too.

    Between elements quotes stand as they are, so that passages of the data can be found again in a page.
    """
    return Html(html.escape(_SIGNS.sub(lambda found: _sign(ord(found[0])), str(value)), quote=quotes))


def joined(*parts: Part) -> Html:
    """The parts one after the other; strings are escaped, None is nothing."""
    return Html("".join(_put(part) for part in parts))


def tag(name: str, /, *inner: Part, **attributes: str | float | None) -> Html:
    """An element. Of an attribute's name a trailing underscore goes (`class_`), others are hyphens; None leaves it out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value, quotes=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{said}>" + ("" if name in _VOID else f"{joined(*inner)}</{name}>"))


def table(head: Iterable[Part], rows: Iterable[Iterable[Part]], numbers: Iterable[int] = ()) -> Html:
    """A table; the columns at the places `numbers` are set as figures."""
    figures = set(numbers)

    def cells(kind: str, row: Iterable[Part]) -> Html:
        return tag("tr", (tag(kind, cell, class_="n" if at in figures else None) for at, cell in enumerate(row)))

    return tag("div", tag("table", tag("thead", cells("th", head)), tag("tbody", (cells("td", row) for row in rows))), class_="wide")  # fmt: skip


def folded(summary: Part, *inner: Part, opened: bool = False) -> Html:
    """What is seen only when a person opens it."""
    return tag("details", tag("summary", summary), *inner, **({"open": ""} if opened else {}))


def page(title: str, *body: Part) -> str:
    """A whole page, as it is written to a file in UTF-8."""
    head = joined(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body><main>{joined(*body)}</main></body></html>\n'


def _put(part: Part) -> str:
    if part is None:
        return ""
    if isinstance(part, Html):
        return part
    if isinstance(part, (str, int)):
        return text(part)
    return "".join(_put(each) for each in part)


def _sign(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"


STYLE = f"""
:root {{ color-scheme: light dark; --ink: {INK}; --soft: {SOFT}; --mark: {MARK}; --bad: #8a1c3b; --text: #1c2430;
  --quiet: #64707f; --line: #dde3ea; --ground: #fff; --panel: #f5f7fa; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #8fb3e0; --soft: #3f5a7c; --mark: #f08a4b; --bad: #e0728f;
  --text: #e4e9f0; --quiet: #9aa7b6; --line: #333d4a; --ground: #14191f; --panel: #1c232c; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }}
main {{ max-width: 1080px; margin: 0 auto; padding: 32px 24px 80px; }}
h1 {{ font-size: 26px; line-height: 1.2; margin: 0 0 4px; color: var(--ink); }}
h2 {{ font-size: 19px; margin: 44px 0 6px; color: var(--ink); }}
h3 {{ font-size: 14px; margin: 18px 0 4px; }}
p {{ margin: 4px 0 12px; max-width: 75ch; }}
.quiet, caption {{ color: var(--quiet); }}
.small {{ font-size: 13px; }}
code {{ font: 13px/1.4 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; overflow-wrap: anywhere; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 13.5px; }}
.wide > table {{ width: 100%; }}
th, td {{ text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: break-word; }}
th {{ color: var(--quiet); font-weight: 600; }}
.n {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
details {{ border-top: 1px solid var(--line); padding: 6px 0; }}
summary {{ cursor: pointer; }}
svg {{ display: block; max-width: 100%; height: auto; }}
svg text {{ font: 11px system-ui, sans-serif; fill: var(--quiet); }}
"""
