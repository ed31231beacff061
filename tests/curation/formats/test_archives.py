"""Archives, packed by the standard library's own writers: members are files, nothing escapes, nothing explodes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.formats import Extract, Poison, ReadingSettings, Unreadable, html, media_type, read_items
from curation.originals import original

SETTINGS = ReadingSettings()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
ROWS = b'{"text": "one"}\nbroken\n{"text": "two"}\n'


def zipped(members: dict[str, bytes] | list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, data)
    return file.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return file.getvalue()


def items(data: bytes, name: str, settings: ReadingSettings = SETTINGS) -> list[Extract | Poison]:
    return list(read_items(data, name, settings))


def texts(found: list[Extract | Poison]) -> dict[str, str]:
    return {item.part: item.text for item in found if isinstance(item, Extract)}


def failures(found: list[Extract | Poison]) -> dict[str, str]:
    return {item.part: item.error for item in found if isinstance(item, Poison)}


MEMBERS = {
    "docs/a.md": b"# A\n",
    "rows.jsonl": ROWS,
    "b.txt": PNG,
    "../../etc/c.txt": b"no escape",
    "a#b.txt": b"sharp",
}
READ = {
    "docs/a.md": "# A\n",
    "rows.jsonl#L1": "one",
    "rows.jsonl#L3": "two",
    "../../etc/c.txt": "no escape",
    "a##b.txt": "sharp",
}


def test_a_zip_is_read_member_by_member():
    found = items(zipped(MEMBERS), "x.bin")
    assert texts(found) == READ
    assert failures(found) == {"rows.jsonl#L2": "malformed JSON", "b.txt": "no reader for image/png"}


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.sampled_from(
    [
        "/etc/passwd",
        "../../up.txt",
        "a#L1",
        "a##b",
        "a#again=2",
        "C:\\x",
        "con",
        "-rf",
        "a\x1b[31m",
        "a/./b//c",
        "é" * 9,
    ]
)


@example(["\0", "\0", "unnamed"])
@given(st.lists(NAMES, min_size=1, max_size=6))
def test_every_member_has_a_place_of_its_own_whatever_it_is_called(names):
    """The place leads back to the member, and none is taken for a path."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(f"{name}.txt")
            data = f"text {number}".encode()
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    found = [item for item in items(sink.getvalue(), "x.tar") if isinstance(item, Extract)]
    assert sorted(item.text for item in found) == sorted(f"text {number}" for number in range(len(names)))
    assert len({item.part for item in found}) == len(found)
    for item in found:
        assert original(sink.getvalue(), "x.tar", item.part, SETTINGS).decode() == item.text


def test_a_tar_is_too_and_its_links_lead_nowhere():
    data = tarred(MEMBERS)
    assert media_type(data, "x") == "application/x-tar"
    found = items(data, "x")
    assert texts(found) == READ
    assert failures(found)["link"] == "no regular file"


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, lambda data: pa.compress(data, codec="zstd", asbytes=True)]
)
def test_a_compressed_file_is_the_file_and_a_compressed_tar_the_archive(pack):
    found = items(pack(ROWS), "rows.jsonl.x")
    assert texts(found) == {"L1": "one", "L3": "two"}
    assert texts(items(pack(tarred(MEMBERS)), "x.tar.gz")) == READ


def test_archives_within_archives_are_read_to_a_limit():
    data = zipped({"deep.txt": b"deep"})
    for _ in range(SETTINGS.max_archives - 1):
        data = zipped({"in.zip": data, "beside.txt": b"here"})
    found = texts(items(data, "x.zip"))
    assert found["in.zip#in.zip#deep.txt"] == "deep"
    too_deep = items(zipped({"in.zip": data, "beside.txt": b"here"}), "x.zip")
    assert failures(too_deep) == {"in.zip#in.zip#in.zip": "over the limit"}
    assert "beside.txt" in texts(too_deep)


def test_a_bomb_costs_no_more_than_the_limit_and_is_named():
    small = replace(SETTINGS, max_unfolded=1 << 20)
    bomb = zipped({"one.txt": b"fine", "bomb.txt": bytes(50 << 20)})
    with pytest.raises(Unreadable, match=r"reading\.max_unfolded"):
        items(bomb, "x.zip", small)
    with pytest.raises(Unreadable, match=r"reading\.max_unfolded"):
        items(gzip.compress(bytes(50 << 20)), "x.gz", small)
    nested = zipped([(f"{number}.zip", zipped({"a.txt": b"a" * (200 << 10)})) for number in range(20)])
    with pytest.raises(Unreadable, match=r"reading\.max_unfolded"):
        items(nested, "x.zip", small)


def test_members_of_one_name_are_told_apart():
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped([("a.txt", b"one"), ("a.txt", b"two")])
    assert texts(items(data, "x.zip")) == {"a.txt": "one", "a.txt#again=2": "two"}


def test_a_damaged_and_an_encrypted_member_fail_alone():
    data = bytearray(zipped({"a.txt": b"words " * 50, "b.txt": b"others"}, zipfile.ZIP_STORED))
    data[data.index(b"words")] ^= 1
    found = items(bytes(data), "x.zip")
    assert (texts(found), failures(found)) == ({"b.txt": "others"}, {"a.txt": "damaged member"})
    locked = bytearray(zipped({"a.txt": b"words"}))
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert failures(items(bytes(locked), "x.zip")) == {"a.txt": "encrypted"}


@pytest.mark.parametrize(
    "data", [zipped(MEMBERS)[:-30], gzip.compress(ROWS)[:-10], bz2.compress(ROWS)[:-5], tarred(MEMBERS)[:700]]
)
def test_what_is_cut_short_says_so(data):
    try:
        found = items(data, "x")
    except Unreadable as error:
        assert error.error == "damaged archive"
    else:
        assert "damaged member" in failures(found).values()


def test_packages_of_unknown_kinds_are_not_taken_apart():
    with pytest.raises(Unreadable) as told:
        items(zipped({"[Content_Types].xml": b"<x/>", "visio/document.xml": b"<x/>"}), "a.vsdx")
    assert told.value.error == "no reader for application/vnd.openxmlformats-officedocument"
    with pytest.raises(Unreadable) as told:
        items(zipped({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<x/>"}), "a.odt")
    assert told.value.error == "no reader for application/vnd.oasis.opendocument.text"


def test_a_parser_that_breaks_costs_one_member(monkeypatch):
    def broken(tree: object) -> None:
        raise KeyError("secret words")

    monkeypatch.setattr(html, "facts_of", broken)
    found = items(zipped({"a.html": b"<html><p>secret words", "b.txt": b"fine"}), "x.zip")
    assert (texts(found), failures(found)) == ({"b.txt": "fine"}, {"a.html": "reader failed"})
    assert "secret" not in repr(found)


@given(
    st.binary(max_size=300),
    st.integers(0, 400),
    st.sampled_from([zipped({"a.txt": b"words"}), tarred({"a": b"b"}), gzip.compress(b"words")]),
)
def test_altered_archives_are_read_or_said_why_not(noise, at, data):
    altered = data[:at] + noise + data[at + len(noise) :]
    try:
        found = items(altered, "x")
    except Unreadable:
        return
    parts = [item.part for item in found]
    assert len(parts) == len(set(parts))
