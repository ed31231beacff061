"""From a locator back to bytes: what is found there, read again, is the document."""

from __future__ import annotations

import gzip
import io
import mailbox
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from curation.formats import Extract, ReadingSettings, read_items
from curation.originals import original

FILES = Path(__file__).parent / "formats" / "files"
SETTINGS = ReadingSettings()
ROWS = '{"text": "one"}\n{broken\n{"text": "Grüße"}\n'.encode()


def mail(text: str) -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = "Harbours"
    made.set_content(text)
    return made


def zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    letter = mail("A letter with attachments.\n")
    letter.add_attachment(ROWS, maintype="application", subtype="json", filename="rows.jsonl")
    letter.add_attachment(mail("Forwarded.\n"))
    box = mailbox.mbox(tmp_path / "box")
    box.add(mail("From here to there.\n"))
    box.add(letter)
    box.close()
    boxed = (tmp_path / "box").read_bytes()
    return {
        "rows.jsonl": ROWS,
        "box.mbox": boxed,
        "deep.zip": zipped(
            {"a#b/rows.jsonl": ROWS, "in.zip": zipped({"box.mbox": boxed, "a": b"words"}), "a": b"some words"}
        ),
        "rows.jsonl.gz": gzip.compress(ROWS),
        "crawl.warc.gz": FILES.joinpath("crawl.warc.gz").read_bytes(),
    }


def documents(name: str, data: bytes) -> Iterator[Extract]:
    return (item for item in read_items(data, name, SETTINGS) if isinstance(item, Extract))


def test_what_a_locator_leads_to_reads_as_the_document(files: dict[str, bytes]) -> None:
    seen = 0
    for name, data in files.items():
        for item in documents(name, data):
            piece = original(data, name, item.part, SETTINGS)
            assert len(piece) < len(data) or not item.part
            is_mail = item.part.endswith(("message=1", "message=2", "attachment=2"))
            again = next(documents("a.eml" if is_mail else "", piece))
            assert again.text.strip() == item.text.strip(), (name, item.part)
            seen += 1
    assert seen == 20


def test_lines_members_and_attachments_are_their_own_bytes(files: dict[str, bytes]) -> None:
    def at(name: str, part: str) -> bytes:
        return original(files[name], name, part, SETTINGS)

    assert at("rows.jsonl", "L2") == b"{broken"
    assert at("rows.jsonl", "") == ROWS
    assert at("rows.jsonl.gz", "L3") == '{"text": "Grüße"}'.encode()
    assert at("deep.zip", "a##b/rows.jsonl") == ROWS
    assert at("deep.zip", "a##b/rows.jsonl#L1") == b'{"text": "one"}'
    assert at("deep.zip", "in.zip#box.mbox#message=2/attachment=1/L1") == b'{"text": "one"}'
    assert at("crawl.warc.gz", "record=11").startswith(b"\x89PNG")


def test_a_row_leads_to_the_file_that_holds_it() -> None:
    data = FILES.joinpath("rows.xlsx").read_bytes()
    assert original(data, "rows.xlsx", "sheet=table/row=2", SETTINGS) == data


def test_a_place_that_is_not_there(files: dict[str, bytes]) -> None:
    for name, part in (("deep.zip", "nothing"), ("box.mbox", "message=9"), ("crawl.warc.gz", "record=99")):
        with pytest.raises(LookupError):
            original(files[name], name, part, SETTINGS)
