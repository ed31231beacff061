"""Laws of finding, whatever the text: whole characters, no overlap, nothing left after redaction, no matter of batches."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.privacy import (
    KINDS,
    PERSONAL_DATA,
    FindSettings,
    PrivacySettings,
    kernels,
    number_kernel,
    personal_data,
    redactions,
)
from curation.privacy import finding as finding_module
from curation.privacy.candidates import _NAMES, candidates
from curation.privacy.finding import _chosen, _claims, find_in
from curation.privacy.masking import masked, masked_text
from curation.privacy.number_kernel import may_be_entity
from curation.privacy.secrets import PREFIXES
from curation.redaction import rewrite
from curation.rule_sets import rules_of
from curation.spans import SPANS
from pipelines.settings import Config, SettingsError
from pipelines.settings_file import load_config
from tests.curation.privacy.labelled import labelled

FIND = FindSettings()
PIECES = [
    "ann@example.org", "+49 30 1234567", "0171 1234567", "212-555-2368", "81.2.69.142", "2a00:1450:4001:81b::200e",
    "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "123-45-6780", "AB123456C", "12345678Z", "86095742719",
    "AKIAIOSFODNN7EXAMPLE", "https://u:s3cr3tpw@", "password = 'hunter2'", "api_key: ", "-----BEGIN PRIVATE KEY-----", "MIIE",
    "-----END PRIVATE KEY-----", "tel ", "order ", "BSN ", "version ", "<EMAIL_1>", "<", ">", "@", ".", "-", " ", "\n", "(", ")",
    "+", "0", "12", "345", "6789", "/", ":", "::", "=", '"', "é", "字", "😀", "\u200f", "\0", "\u00a0", "\u2013", "key", "X", " [at] ",
]  # fmt: skip
TEXTS = st.one_of(
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=14).map("".join), st.text(max_size=60)
)
MANY = settings(deadline=None, max_examples=400)


def batch(texts: list[str]) -> pa.RecordBatch:
    names = [f"{number:032x}" for number in range(len(texts))]
    return pa.RecordBatch.from_pydict({"content_digest": names, "text": pa.array(texts, pa.large_string())})


def measured(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(personal_data(batch(texts), FIND)))


@MANY
@given(TEXTS)
def test_spans_are_sorted_disjoint_and_of_whole_characters(text):
    data, last = text.encode(), 0
    for start, end, kind in find_in(text, FIND):
        assert last <= start < end <= len(data) and kind in KINDS
        data[start:end].decode()
        data[:start].decode()
        last = end


@MANY
@given(TEXTS)
def test_a_redacted_text_has_nothing_more_to_redact(text):
    once = rewrite(text, [], find_in(text, FIND))
    assert find_in(once, FIND) == []
    assert rewrite(once, [], find_in(once, FIND)) == once


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXTS, max_size=5))
def test_where_batches_end_does_not_matter(texts):
    together = measured(texts)
    assert together.schema == PERSONAL_DATA
    assert together["spans"].to_list() == [measured([text])["spans"].to_list()[0] for text in texts]


def _plain_candidates(data: bytes) -> list[tuple[int, int, int]]:
    """Everything a detector could be asked about, by patterns that say no more than what the kernel must not miss."""
    said: list[tuple[int, int, int]] = []
    said += [(kernels.AT, m.start(), 0) for m in re.finditer(rb"@|[\[({] ?(?:[aA][tT]|@) ?[\])}]", data)]
    said += [(kernels.ASSIGNED, m.start(), 0) for m in re.finditer(rb"[=:]", data)]
    said += [(kernels.CODE, m.start(), 0) for m in re.finditer(rb"(?<![A-Za-z0-9_])[A-Za-z0-9]", data)]
    prefixes = b"|".join(re.escape(prefix) for prefix in PREFIXES if prefix != b"---")
    said += [
        (kernels.PREFIX, m.start(), 0) for m in re.finditer(rb"(?<![A-Za-z0-9_])(?:%b)|-----BEGIN" % prefixes, data)
    ]
    said += [(kernels.IPV4, m.start(), m.end()) for m in re.finditer(rb"(?<![A-Za-z0-9_])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9])", data)]  # fmt: skip
    said += [(kernels.IPV6, m.start(), m.end()) for m in re.finditer(rb"(?<![A-Za-z0-9_:])[0-9A-Fa-f:][0-9A-Fa-f:.]{0,45}", data)]  # fmt: skip
    return said + [(kernels.NUMBER, first, last) for first, last in _numbers(data)]


def _numbers(data: bytes) -> list[tuple[int, int]]:
    """Groups of digits that hold together, seven digits or more."""
    runs: list[list[re.Match[bytes]]] = []
    for group in re.finditer(rb"(?<![A-Za-z0-9_])[0-9]+(?![A-Za-z0-9_])", data):
        if runs and _holds(data[runs[-1][-1].end() : group.start()]):
            runs[-1].append(group)
        else:
            runs.append([group])
    long = [run for run in runs if sum(len(group[0]) for group in run) >= kernels.FEWEST_DIGITS]
    return [(run[0].start(), run[-1].end()) for run in long]


def _holds(gap: bytes) -> bool:
    """A space or a dash of Unicode, or at most one sign with spaces and brackets; neither `. ` nor two spaces."""
    if re.fullmatch(rb"\xc2\xa0|\xe2\x80[\x89-\x93\xaf]", gap):
        return True
    signs = len(re.findall(rb"[-./]", gap))
    is_short = re.fullmatch(rb"[-./ ()]{1,3}", gap) and signs <= 1 and not (len(gap) == 3 and not signs)
    return bool(is_short) and not (len(gap) == 2 and gap[1:] == b" " and gap[:1] != b")")


@MANY
@given(TEXTS)
def test_the_kernel_misses_nothing_that_a_detector_would_find(text):
    data = text.encode()
    proposed = candidates(np.frombuffer(data, np.uint8), np.array([0, len(data)], np.int64)).get(0, [])
    assert _chosen(_claims(data, proposed, FIND)) == _chosen(set(_claims(data, _plain_candidates(data), FIND)))


@MANY
@given(TEXTS)
def test_groups_of_digits_are_proposed_whole(text):
    data = text.encode()
    proposed = candidates(np.frombuffer(data, np.uint8), np.array([0, len(data)], np.int64)).get(0, [])
    assert {(start, end) for sort, start, end in proposed if sort == kernels.NUMBER} <= set(_numbers(data))


@pytest.mark.parametrize(
    "text", ["", " \n\t ", "\0" * 9, "😀" * 50, "\u200f\u202e\u2066", "e\u0301" * 9, "@", "+", "::", "(", "-----BEGIN "]
)
def test_there_is_nothing_in_nothing(text):
    assert find_in(text, FIND) == []


def test_marks_that_turn_the_direction_hide_nothing():
    assert [kind for _, _, kind in find_in("\u202eann@example.org\u202c \u200f+49 30 1234567\u200f", FIND)] == [
        "email",
        "phone",
    ]


def test_no_contents_and_null_texts():
    assert measured([]).schema == PERSONAL_DATA
    nulls = pa.RecordBatch.from_pydict({"content_digest": ["a"], "text": pa.array([None], pa.large_string())})
    with pytest.raises(ValueError, match="have no text"):
        personal_data(nulls, FIND)


def test_a_slice_of_a_batch_is_measured_as_itself():
    rows = batch(["x", "ann@example.org", "y +49 30 1234567"])
    assert pl.DataFrame(pl.from_arrow(personal_data(rows.slice(1, 2), FIND)))["entities"].to_list() == [1, 1]


def test_kinds_are_counted_and_values_are_not_kept():
    row = measured(["ann@example.org, bob@example.org, 81.2.69.142, password = 'hunter2'"]).row(0, named=True)
    assert (row["entities"], row["emails"], row["ips"], row["secrets"], row["phones"]) == (4, 2, 1, 1, 0)
    assert "hunter2" not in str(row) and "ann" not in str(row)


def test_an_error_says_nothing_of_the_text(monkeypatch):
    def stumbles(*_):
        raise ValueError("cannot read hunter2")

    monkeypatch.setattr(finding_module, "find", stumbles)
    with pytest.raises(RuntimeError) as raised:
        personal_data(batch(["password = 'hunter2'"]), FIND)
    assert "ValueError" in str(raised.value) and "hunter2" not in str(raised.value) and raised.value.__cause__ is None


def test_masks_show_a_shape_and_keep_the_places():
    text = "Ünal: ünal7@example.org, password = 'hunter2é', +49 30 1234567"
    shown = masked_text(text, find_in(text, FIND))
    assert shown == "Ünal: xxxxx9@xxxxxxx.xxx, password = '*********', +99 99 9999999"
    assert len(shown.encode()) == len(text.encode())
    assert masked("secret", "a-1") == "***"


def test_only_the_kinds_that_are_named_are_redacted():
    text = "ann@example.org 81.2.69.142"
    spans = [{"start": start, "end": end, "kind": kind} for start, end, kind in find_in(text, FIND)]
    table = pl.DataFrame({"content_digest": ["a", "b"], "spans": pl.Series([spans, None], dtype=SPANS)})
    left = redactions(table.lazy(), PrivacySettings(redact=("ip",))).collect()
    assert [[span["kind"] for span in row] if row is not None else None for row in left["spans"].to_list()] == [
        ["ip"],
        None,
    ]


SOURCES = {"sources": [{"name": "a", "path": "a"}]}


def test_privacy_is_off_until_it_is_asked_for():
    assert Config.model_validate(SOURCES).privacy is None
    assert Config.model_validate(SOURCES | {"privacy": False}).privacy is None
    assert Config.model_validate(SOURCES | {"privacy": True}).privacy == PrivacySettings()
    rules = Config.model_validate(SOURCES | {"privacy": True, "rules": [{"privacy": {"max_entities": 9}}]}).rules
    assert [rule.name for rule in rules_of(rules)[1:]] == ["privacy.max_secrets", "privacy.max_entities"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("privacy:", "privacy: say `on` or `off`"),
        ("privacy: {redact: [emails]}", "privacy.redact"),
        ("privacy: {find: {phone_regions: [uk]}}", "ISO 3166"),
        ("privacy: {find: {national_ids: [AU]}}", "those of AU are not known"),
        ("rules: [privacy]", "needs `privacy: on`"),
    ],
)
def test_settings_that_cannot_be_say_so(tmp_path, said, message):
    path = tmp_path / "headwater.yaml"
    path.write_text(f"sources:\n  - {{name: a, path: a}}\n{said}\n")
    with pytest.raises(SettingsError, match=re.escape(message)):
        load_config(path)


def test_one_word_and_one_number_many_times():
    for piece in ("word ", "0301234567 ", "a@b.", "-----BEGIN PRIVATE KEY-----", "1.2.3.4 ", "(0"):
        spans = find_in(piece * 20_000, FIND)
        assert spans == sorted(spans), piece


@pytest.mark.long
def test_a_hundred_megabytes():
    texts = [text for text, _ in labelled(4_000)]
    text = "\n".join(texts * (100_000_000 // sum(len(each.encode()) for each in texts) + 1))
    assert len(text.encode()) > 100_000_000
    (row,) = measured([text]).to_dicts()
    few = sum(measured(["\n".join(texts)]).select("entities").row(0))
    copies = text.count(texts[0])
    assert abs(row["entities"] - few * copies) < copies


PARTS = "12 345 6789 0 04 1 212 555 2368 4111 1111 378282246310005 756 9217 0769 85 20231112 850101 86095742719 1850578006084"
PARTS += " 36 111 444 777 35 98 00 30 12345678 3056 930902 5904 13 14"
GROUPS = st.lists(st.sampled_from(PARTS.split()), min_size=1, max_size=8)
BETWEEN = st.sampled_from([" ", " ", "-", "-", ".", ".", "/", ") ", " (", "\u00a0", " - ", "–", "+"])
LEADS = [
    "",
    "+",
    "(",
    "tel ",
    "SSN: ",
    "Tél. ",
    "BSN\u00a0",
    "hotel ",
    "x",
    "-",
    "$",
    "order ",
    "=",
    "<",
    "Sécurité sociale ",
]


@MANY
@given(
    st.sampled_from(LEADS),
    GROUPS,
    st.lists(BETWEEN, min_size=8, max_size=8),
    st.sampled_from(["", "Z", " Z", "-Z", ":", "x"]),
)
def test_numbers_that_are_passed_over_are_nothing(lead, groups, between, end):
    said = lead + groups[0] + "".join(sign + group for sign, group in zip(between, groups[1:], strict=False)) + end
    text = said.encode()
    data = np.frombuffer(text, np.uint8)
    found = [match.span() for match in re.finditer(rb"[0-9]+", text)]
    room = np.empty((2, number_kernel.GROUPS), np.int64)
    for place, (first, _) in enumerate(found):
        for _, last in found[place:]:
            if not may_be_entity(data, 0, first, last, len(text), _NAMES, room):
                assert not list(_claims(text, [(kernels.NUMBER, first, last)], FIND)), text[first:last]


def test_a_word_that_began_before_the_window_names_nothing():
    number = "12 Bielefeld " * 3 + "hotel" + "." * 53 + " 30 1234567"
    assert find_in(number, FIND) == []
