"""E-mail and mailboxes, written by the standard library's own writers: every message and attachment is told of."""

from __future__ import annotations

import mailbox
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.formats import Extract, Poison, ReadingSettings, Unreadable, html, media_type, read_items
from curation.formats.mail import MAX_FORWARDED

SETTINGS = ReadingSettings()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def message(text: str = "The boat came in.\n", **headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in ({"From": "a@example.org", "Subject": "The harbour"} | headers).items():
        made[name] = value
    made.set_content(text)
    return made


def items(data: bytes, name: str = "a.eml") -> list[Extract | Poison]:
    return list(read_items(data, name, SETTINGS))


def texts(found: list[Extract | Poison]) -> dict[str, str]:
    return {item.part: item.text for item in found if isinstance(item, Extract)}


def test_what_a_message_says_with_its_subject_and_date():
    sent = message("Grüße aus 東京.\n", Date="Thu, 02 Jan 2020 03:04:05 +0000", Subject="Über Häfen")
    (item,) = items(sent.as_bytes())
    assert (item.part, item.media_type, item.text) == ("", "message/rfc822", "Grüße aus 東京.")
    assert (item.title, item.date) == ("Über Häfen", "2020-01-02T03:04:05+00:00")
    assert "example.org" not in repr(item)


def test_plain_text_counts_before_html_and_html_where_there_is_no_other():
    both = message()
    both.add_alternative("<html><body><p>The <b>boat</b> came in, as a page.</p></body></html>", subtype="html")
    assert texts(items(both.as_bytes())) == {"": "The boat came in."}
    page = EmailMessage()
    page["Subject"] = "x"
    page.set_content("<html><body><p>The boat came in, as a page.</p></body></html>", subtype="html")
    assert texts(items(page.as_bytes())) == {"": "The boat came in, as a page."}


def test_attachments_are_read_as_the_files_they_are():
    sent = message()
    sent.add_attachment(
        b'{"text": "one"}\n{"text": "two"}\n', maintype="application", subtype="json", filename="r.jsonl"
    )
    sent.add_attachment(PNG, maintype="image", subtype="png", filename="notes.txt")
    sent.add_attachment("A note.", filename="n.txt")
    sent.add_attachment(message("Forwarded.\n", Subject="Old"))
    found = items(sent.as_bytes())
    assert texts(found) == {
        "": "The boat came in.",
        "attachment=1/L1": "one",
        "attachment=1/L2": "two",
        "attachment=3": "A note.\n",
        "attachment=4": "Forwarded.",
    }
    (poison,) = [item for item in found if isinstance(item, Poison)]
    assert (poison.part, poison.error) == ("attachment=2", "no reader for image/png")


def test_the_messages_of_a_mailbox_each_at_its_number(tmp_path: Path):
    box = mailbox.mbox(tmp_path / "in.mbox")
    for text in ("One.\n", "Two.\n\nFrom here the river is wide.\n", "Three.\n"):
        box.add(message(text))
    box.close()
    data = (tmp_path / "in.mbox").read_bytes()
    assert texts(items(data, "in.mbox")) == {
        "message=1": "One.",
        "message=2": "Two.\n\nFrom here the river is wide.",
        "message=3": "Three.",
    }
    assert media_type(data, "in.mbox") == "application/mbox"


def test_one_message_fails_alone():
    good = b"From a Thu Jan  2 03:04:05 2020\n" + message().as_bytes() + b"\n"
    found = items(good + b"From b Thu Jan  2 03:04:05 2020\n\nno header at all\n\n" + good, "in.mbox")
    assert texts(found) == {"message=1": "The boat came in.", "message=3": "The boat came in."}
    assert [item.error for item in found if isinstance(item, Poison)] == ["malformed message"]


@pytest.mark.parametrize("charset", ["no-such-charset", "ascii", "utf-8"])
def test_a_charset_that_is_none_or_wrong(charset):
    head = f"Subject: x\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n"
    (item,) = items(
        head.encode() + "Die Brücke über den Fluß ist schön, und früher fuhren hier Züge.\n".encode("latin-1")
    )
    assert "Brücke über den Fluß" in item.text


def test_messages_within_messages_are_followed_to_a_limit():
    sent = message("deepest\n")
    for depth in range(MAX_FORWARDED + 2):
        outer = message(f"{depth}\n")
        outer.add_attachment(sent)
        sent = outer
    found = items(sent.as_bytes())
    assert len(texts(found)) == MAX_FORWARDED + 1
    assert [item.error for item in found if isinstance(item, Poison)] == ["over the limit"]


@pytest.mark.parametrize(
    ("data", "name", "error"),
    [
        (b"no header\n", "a.eml", "malformed message"),
        (b"\nno header\n", "a.eml", "malformed message"),
        (b"no message\n", "a.mbox", "malformed mailbox"),
        (b"words before\n\nFrom a b\nSubject: x\n\ny\n", "a.mbox", "malformed mailbox"),
    ],
)
def test_what_is_no_mail_says_so(data, name, error):
    with pytest.raises(Unreadable) as told:
        items(data, name)
    assert told.value.error == error


@given(
    st.lists(
        st.sampled_from(
            [
                b"Subject: =?utf-8?q?=ff?=\n",
                b"Content-Type: multipart/mixed; boundary=x\n",
                b"Content-Type: message/rfc822\n",
                b"Content-Type: text/html; charset=\xff\n",
                b"Content-Transfer-Encoding: base64\n",
                b"Content-Disposition: attachment; filename*=utf-9''%ff\n",
                b"Date: never\n",
                b"\n",
                b"--x\n",
                b"--x--\n",
                b"From a\n",
                b"<p>words</p>\n",
                b"\xff\xfe\n",
            ]
        ),
        max_size=12,
    ).map(b"".join),
    st.sampled_from(["a.eml", "a.mbox"]),
)
def test_whatever_stands_in_a_mail_it_is_read_or_said_why_not(data, name):
    try:
        found = items(data, name)
    except Unreadable:
        return
    parts = [item.part for item in found]
    assert len(parts) == len(set(parts))


def test_an_attachment_over_which_a_parser_stumbles_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> str:
        raise KeyError("secret words")

    sent = message()
    sent.add_attachment("<html><p>A page.</p></html>", subtype="html", filename="a.html")
    sent.add_attachment("A note.", filename="n.txt")
    monkeypatch.setattr(html, "facts_of", stumble)
    found = items(sent.as_bytes())
    assert texts(found) == {"": "The boat came in.", "attachment=2": "A note.\n"}
    (poison,) = [item for item in found if isinstance(item, Poison)]
    assert (poison.part, poison.error) == ("attachment=1", "reader failed")
    assert "secret" not in poison.detail
