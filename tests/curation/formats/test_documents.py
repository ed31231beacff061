"""Office documents, books, PDF and crawls as other programs wrote them (`files/README.md`), and what damage does."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.fetching import File
from curation.file_items import items_of
from curation.formats import Extract, NeedsWorker, Poison, ReadingSettings, Unreadable, media_type, read_items
from curation.formats.extracts import may_die
from curation.formats.packages import DOCX, EPUB, PPTX, XLSX

FILES = Path(__file__).with_name("files")
PACKAGES = {"manual.docx": DOCX, "libre.docx": DOCX, "manual.pptx": PPTX, "rows.xlsx": XLSX, "manual.epub": EPUB}
MANUAL = """\
# A Harbour Manual

A Writer

2020-03-04

# Harbours

The harbour lies where the river meets the sea, and ships wait there for the tide.

## Rules

- Keep clear of the channel.
- Give way to vessels under sail.
  - Small boats too.

| Port | Depth |
| --- | --- |
| North | 9 m |
| South | 12 m |

```
tide = high - low
```

# Lights

Every light has its own rhythm, so that no captain takes one for another."""


def items(name: str, data: bytes | None = None, **limits: object) -> list[Extract | Poison]:
    given = FILES.joinpath(name).read_bytes() if data is None else data
    return list(read_items(given, name, ReadingSettings(**limits)))  # type: ignore[arg-type]


def only(name: str, **limits: object) -> Extract:
    (item,) = items(name, **limits)
    assert isinstance(item, Extract)
    return item


def rewritten(name: str, changes: dict[str, bytes]) -> bytes:
    """The package with parts replaced or added."""
    made = io.BytesIO()
    with zipfile.ZipFile(FILES / name) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            if part not in changes:
                new.writestr(part, old.read(part))
        for part, data in changes.items():
            new.writestr(part, data)
    return made.getvalue()


@pytest.mark.parametrize("name", ["manual.docx", "libre.docx"])
def test_a_word_document_keeps_its_structure(name: str) -> None:
    item = only(name)
    assert (item.media_type, item.title, item.text) == (DOCX, "A Harbour Manual", MANUAL)
    assert item.date is not None
    assert json.loads(item.metadata or "") == {"language": "en-GB"}


def test_structure_is_a_setting() -> None:
    text = only("manual.docx", structure="text").text
    assert "Harbours\n\nThe harbour lies" in text
    assert "North\t9 m\nSouth\t12 m" in text
    assert not {"#", "|", "`"} & set(text)


def test_footnotes_stand_at_the_end_and_their_marks_where_they_are_called() -> None:
    text = only("notes.docx").text
    assert text == (
        "# Tides\n\nThe tide turns twice a day.[^1] Ships wait for it.[^2]\n\n- A list too.[^3]\n\n"
        "[^1]: Because of the moon, mostly.\n\n[^2]: In the roads.\nWith anchors out.\n\n[^3]: See the list."
    )
    assert only("notes.docx", structure="text").text.endswith("\n\n[3] See the list.")


def test_endnotes_and_notes_that_are_missing() -> None:
    with zipfile.ZipFile(FILES / "notes.docx") as package:
        parts = {name: package.read(name) for name in package.namelist()}
    moved = {
        name: data.replace(b"footnoteReference w:id", b"endnoteReference w:id").replace(
            b"relationships/footnotes", b"relationships/endnotes"
        )
        for name, data in parts.items()
    }
    (item,) = items("a.docx", rewritten("notes.docx", moved))
    assert isinstance(item, Extract)
    assert item.text == only("notes.docx").text
    (item,) = items("a.docx", rewritten("notes.docx", {"word/footnotes.xml": b"<w/>"}))
    assert isinstance(item, Extract)
    assert item.text == "# Tides\n\nThe tide turns twice a day. Ships wait for it.\n\n- A list too."


def test_columns_of_a_pdf_are_read_one_after_the_other() -> None:
    assert re.findall(r"Paragraph (\d+)", only("columns.pdf").text) == [str(number) for number in range(1, 31)]


def test_a_presentation_is_its_slides_in_order() -> None:
    text = only("manual.pptx").text
    assert text.startswith("## A Harbour Manual\n\nA Writer")
    assert "- Give way to vessels under sail.\n  - Small boats too." in text
    assert "| North | 9 m |" in text
    assert text.index("## Harbours") < text.index("## Lights")


def test_the_rows_of_a_sheet_are_documents() -> None:
    found = items("rows.xlsx")
    assert [(item.part, item.text) for item in found if isinstance(item, Extract)] == [
        ("sheet=table/row=2", "The first row has a text of some length."),
        ("sheet=table/row=3", "The second row has another text."),
    ]


def test_a_book_is_its_chapters_in_reading_order_with_what_it_says_of_itself() -> None:
    item = only("manual.epub")
    assert (item.media_type, item.title, item.date) == (EPUB, "A Harbour Manual", "2020-03-04")
    assert json.loads(item.metadata or "") == {"language": "en-GB", "licence": "CC-BY-4.0"}
    assert item.text.index("Harbours") < item.text.index("Keep clear") < item.text.index("Every light has its own")


def test_a_pdf_is_its_pages_without_running_lines_and_with_whole_words() -> None:
    item = only("running.pdf")
    starts = json.loads(item.metadata or "")["pages"]
    assert (item.title, len(starts)) == ("Harbours", 4)
    assert all(item.text[: start - 2] + "\n\n" == item.text[:start] for start in starts[1:])
    assert "A Harbour Manual" not in item.text
    assert "Page" not in item.text
    assert "navigational" in item.text
    assert not {"\x02", "\ufffe", "\u00ad"} & set(item.text)
    assert [f"Paragraph {number} " in item.text for number in range(24)] == [True] * 24


def test_what_is_locked_is_told() -> None:
    with pytest.raises(Unreadable) as told:
        items("locked.pdf")
    assert told.value.error == "encrypted"


def test_a_crawl_is_its_pages_and_what_is_no_page_is_told() -> None:
    found = items("crawl.warc.gz")
    pages = [item for item in found if isinstance(item, Extract)]
    assert [(item.part, item.title) for item in pages] == [("record=3", "Home"), ("record=7", "Two")]
    assert pages[0].text.startswith("The harbour of the north")
    assert json.loads(pages[0].metadata or "")["url"] == "http://127.0.0.1:8123/index.html"
    assert {item.part: item.error for item in found if isinstance(item, Poison)} == {
        "record=5": "HTTP status 404",
        "record=9": "HTTP status 404",
        "record=11": "no reader for image/png",
    }


def test_pages_and_unfolded_bytes_have_limits() -> None:
    for name, limit in (("running.pdf", "max_pages"), ("manual.docx", "max_unfolded"), ("manual.epub", "max_unfolded")):
        with pytest.raises(Unreadable, match=rf"reading\.{limit}"):
            items(name, **{limit: 3})


def test_entities_are_refused_and_nothing_outside_is_fetched() -> None:
    with zipfile.ZipFile(FILES / "manual.docx") as package:
        body = package.read("word/document.xml")
        links = package.read("word/_rels/document.xml.rels")
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + body.partition(b"?>")[2]
    with pytest.raises(Unreadable, match="document type"):
        items("a.docx", rewritten("manual.docx", {"word/document.xml": bomb}))
    outside = (
        b'<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate"'
        b' Target="http://127.0.0.1:9/template.dotx" TargetMode="External"/></Relationships>'
    )
    (item,) = items(
        "a.docx",
        rewritten("manual.docx", {"word/_rels/document.xml.rels": links.replace(b"</Relationships>", outside)}),
    )
    assert isinstance(item, Extract)
    assert item.text == MANUAL
    with zipfile.ZipFile(FILES / "manual.epub") as book:
        name = next(part for part in book.namelist() if part.endswith(".opf"))
        package = book.read(name)
    external = b'<!DOCTYPE package [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + package.partition(b"?>")[2]
    external = external.replace(b"A Harbour Manual", b"Title &x;", 1)
    (item,) = items("a.epub", rewritten("manual.epub", {name: external}))
    assert isinstance(item, Extract)
    assert (item.title or "").strip() == "Title" or "&x;" in (item.title or "")


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(PACKAGES)), st.floats(0, 1), st.integers(0, 255), st.booleans())
def test_damage_is_told_or_harmless(name: str, at: float, byte: int, cut: bool) -> None:
    data = bytearray(FILES.joinpath(name).read_bytes())
    place = int(at * (len(data) - 1))
    data[place] = byte
    broken = bytes(data[:place] if cut else data)
    token = may_die.set(True)
    found = items_of(File("raw", name, len(broken), "", None, FILES), lambda: broken, ReadingSettings())
    may_die.reset(token)
    assert found
    assert all(item.error and item.detail for item in found if isinstance(item, Poison))


@pytest.mark.parametrize("name", ["manual.docx", "manual.pptx", "rows.xlsx", "manual.epub", "running.pdf"])
def test_a_parser_that_may_crash_runs_in_no_process_that_must_live(name: str) -> None:
    may_die.set(False)
    with pytest.raises(NeedsWorker):
        items(name)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.write(FILES / name, name)
    with pytest.raises(NeedsWorker):
        items("inside.zip", made.getvalue())


def test_an_unknown_package_and_an_old_office_document_are_told() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as package:
        package.writestr("[Content_Types].xml", "<Types/>")
    for data, reason in (
        (made.getvalue(), "officedocument"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "ole-storage"),
    ):
        with pytest.raises(Unreadable, match=reason):
            items("a.bin", data)
    assert media_type(FILES.joinpath("manual.docx").read_bytes(), "lies.txt") == DOCX
