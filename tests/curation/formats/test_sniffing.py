"""Media types: content decides, a lying name does no harm, and no input makes the sniffing slow."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.formats import FORMATS, media_type


def parquet() -> bytes:
    sink = io.BytesIO()
    pl.DataFrame({"text": ["one"]}).write_parquet(sink)
    return sink.getvalue()


def archive() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as opened:
        opened.writestr("a.txt", "a")
    return sink.getvalue()


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.mark.parametrize(
    ("data", "path", "expected"),
    [
        (b"plain words", "LICENSE", "text/plain"),
        (b"plain words", "a.txt", "text/plain"),
        (b"import os", "a.py", "text/x-python"),
        (b"#!/usr/bin/env python3\nimport os", "run", "text/x-python"),
        (b"#!/bin/sh\nls", "run", "text/x-sh"),
        (b"# Title", "README.md", "text/markdown"),
        (b"# Title", "README.MD", "text/markdown"),
        (b"Title\n=====", "a.rst", "text/x-rst"),
        (b"a,b\n1,2", "a.csv", "text/csv"),
        (b"Metadata-Version: 2.1\nName: x", "x.dist-info/METADATA", "text/plain"),
        (b"  <!DOCTYPE html><p>", "a.txt", "text/html"),
        (b"\xef\xbb\xbf<html>", "page", "text/html"),
        ("\ufeff<html><body>".encode("utf-16-le"), "page", "text/html"),
        (b"<!-- saved -->\n<!-- twice -->\n<HTML lang=en>", "page", "text/html"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x">', "a.xml", "text/html"),
        (b"<p>a fragment", "a.html", "text/html"),
        (b"<htmlish>", "a.txt", "text/plain"),
        (b'{"a": 1}', "a.json", "application/json"),
        (b'{"a": 1}\n', "a", "application/json"),
        (b'{"a": 1}\n{"a": 2}\n', "a.json", "application/jsonl"),
        (b'{"a": 1}\n{"a": 2}\n', "a", "application/jsonl"),
        (b'[\n{"a": 1},\n{"a": 2}]', "a.jsonl", "application/json"),
        (b'[{"a": 1}, {"a": 2}]', "a.jsonl", "application/json"),
        (b'{"a": 1}\n{"a": ', "a.jsonl", "application/jsonl"),
        (b'{"a": ', "a.json", "application/json"),
        (b"[1] A reference\n[2] Another", "notes", "text/plain"),
        (b"{a set}", "notes.txt", "text/plain"),
        (PNG, "a.txt", "image/png"),
        (PNG, "a.py", "image/png"),
        (b"%PDF-1.4\nplain so far", "a.txt", "application/pdf"),
        (b"GIF89a is what pictures of this kind begin with.", "essay.txt", "text/plain"),
        (b"PAR1 is the magic number of Parquet", "a.parquet", "text/plain"),
        (parquet(), "a.csv", "application/vnd.apache.parquet"),
        (archive(), "a.docx", "application/zip"),
        (gzip.compress(b"x", mtime=0), "a.json", "application/gzip"),
        (bz2.compress(b"x"), "a.txt", "application/x-bzip2"),
        (lzma.compress(b"x"), "a.txt", "application/x-xz"),
        (b"a\0b", "a.txt", "application/octet-stream"),
        (b"", "a.py", "text/x-python"),
        (b"", "empty", "text/plain"),
        (b'{"cells": []}', "a.ipynb", "application/x-ipynb+json"),
    ],
)
def test_media_type(data, path, expected):
    assert media_type(data, path) == expected


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([ending for one in FORMATS for ending in one.endings] + ["", ".xyz"]))
def test_every_content_has_a_type_under_every_name(data, ending):
    assert "/" in media_type(data, f"name{ending}")


@pytest.mark.parametrize(
    "unit", [b"<!-- a -->", b"<!--", b"<?xml ", b" ", b"#!", b"<!-- a --><", b"-", b"[", b"{", b"\n"]
)
def test_nothing_repeated_makes_it_slow(unit):
    """Each of these took minutes or more with a pattern that backtracks; the test's own time limit is the judge."""
    assert media_type(unit * 200_000, "a.xsl")


def test_no_ending_is_claimed_twice():
    endings = [ending for one in FORMATS for ending in one.endings]
    assert len(endings) == len(set(endings))
    assert len({one.media_type for one in FORMATS}) == len(FORMATS)
