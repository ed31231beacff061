"""Decoding: every text comes back whole from every encoding that says what it is, and from most that do not."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.formats.decoding import decode, is_text
from curation.formats.extracts import Unreadable

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\ufeff\x1b"))
MARKED = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
SAMPLES = {
    "cp1252": "Le garçon a mangé une crêpe à l'été. Où êtes-vous? ",
    "iso8859-1": "Die Straße führt über die Brücke nach Süden. ",
    "cp1250": "Příliš žluťoučký kůň úpěl ďábelské ódy. ",
    "cp1251": "Привет, мир! Это простой русский текст для проверки кодировки. ",
    "koi8-r": "Привет, мир! Это простой русский текст для проверки кодировки. ",
    "iso8859-7": "Καλημέρα κόσμε, αυτό είναι ένα ελληνικό κείμενο. ",
    "cp1255": "שלום עולם, זהו טקסט בעברית לבדיקה. ",
    "cp1256": "مرحبا بالعالم هذا نص عربي للاختبار. ",
    "cp1254": "Türkçe bir metin: İstanbul şehri çok güzel, ığdır. ",
    "shift_jis": "これは日本語のテキストです。文字コードの判定を試します。",
    "euc-jp": "これは日本語のテキストです。文字コードの判定を試します。",
    "iso2022_jp": "これは日本語のテキストです。",
    "gb18030": "这是一个中文文本，用来测试编码检测。今天天气很好。",
    "euc-kr": "안녕하세요 세계. 이것은 한국어 텍스트입니다. ",
    "tis-620": "สวัสดีชาวโลก นี่คือข้อความภาษาไทย ",
}


@settings(deadline=None)
@given(TEXT)
def test_utf8_comes_back_whole(text):
    assert decode(text.encode()) == text


@settings(deadline=None)
@given(TEXT, st.sampled_from(sorted(MARKED)))
def test_a_mark_decides_and_is_no_part_of_the_text(text, encoding):
    assert decode(MARKED[encoding] + text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", SAMPLES)
@pytest.mark.parametrize("times", [1, 40])
def test_undeclared_text_of_many_languages(encoding, times):
    text = SAMPLES[encoding] * times
    assert decode(text.encode(encoding)) == text


def test_a_long_text_is_judged_by_its_beginning_and_decoded_whole():
    text = (SAMPLES["cp1251"] + "\n") * 5000
    assert decode(text.encode("cp1251")) == text


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("# -*- coding: iso8859-2 -*-\n", "iso8859-2"),
        ("#!/usr/bin/python\n# vim: set fileencoding=iso8859-2 :\n", "iso8859-2"),
        ("<?xml version='1.0' encoding='iso-8859-2'?>\n", "iso8859-2"),
        ('<html><head><meta charset="windows-1250">', "cp1250"),
        ('<html><head><meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">', "iso8859-2"),
    ],
)
def test_what_the_file_declares_goes_before_a_guess(head, encoding):
    text = head + "Zażółć gęślą jaźń."
    assert decode(text.encode(encoding)) == text


def test_latin1_declared_is_read_as_the_web_reads_it():
    assert decode(b'<meta charset="iso-8859-1">caf\xe9 \x80 5') == '<meta charset="iso-8859-1">café € 5'


@pytest.mark.parametrize("name", [b"rot13", b"no-such-codec", b"hex", b"unicode_escape", b"utf-8"])
def test_a_declaration_that_is_wrong_or_dangerous_does_no_harm(name):
    data = b"# coding: " + name + "\nune crêpe à l'été, où êtes-vous? déjà là\n".encode("cp1252")
    assert decode(data).encode("cp1252") == data


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(encoding):
    text = "Plain words, and a second line.\r\nDone. Où?"
    assert is_text(text.encode(encoding))
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("data", [b"a\0b", b"\0", bytes(range(256)) * 4, b"\0\1\0\2\0\3\0\4", b"ab\0\0cd\0\0"])
def test_nuls_are_binary(data):
    assert not is_text(data)
    with pytest.raises(Unreadable) as caught:
        decode(data)
    assert caught.value.error == "binary"


def test_a_marked_text_with_nuls_is_binary():
    with pytest.raises(Unreadable, match="binary"):
        decode(codecs.BOM_UTF16_LE + "a\0b".encode("utf-16-le"))


@pytest.mark.parametrize(
    "data", [codecs.BOM_UTF8 + b"\xff", codecs.BOM_UTF16_LE + b"a\0b", codecs.BOM_UTF32_LE + b"abc"]
)
def test_a_mark_that_lies_is_a_failure(data):
    with pytest.raises(Unreadable) as caught:
        decode(data)
    assert caught.value.error == "unknown encoding"


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_text_without_loss_or_a_failure_with_a_mend(data):
    try:
        text = decode(data)
    except Unreadable as error:
        assert error.error in {"binary", "unknown encoding"}
        assert error.detail
    else:
        assert "\0" not in text
        text.encode("utf-8")


def test_noise_is_not_taken_for_a_text():
    noise = bytes(1 + (value * value * 31 + value // 7) % 255 for value in range(4096))
    with pytest.raises(Unreadable):
        decode(noise)
