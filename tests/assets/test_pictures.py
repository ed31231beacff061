"""The pictures on the pages of curation's assets: drawn of a real run, of names and numbers, and the same each time."""

import base64
import re
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from annotation.agreement import QUALITY
from assets.pictures import (
    annotator_pictures,
    items_in_contents,
    largest_clusters,
    of_contamination,
    of_corpus,
    of_documents,
    of_duplicates,
    of_personal_data,
    of_quality,
    of_verdicts,
)
from curation.decontamination import CONTAMINATION
from curation.privacy import PERSONAL_DATA
from pipelines.definitions import definitions_of
from plots import bars, histogram, shares

PROSE = "The river rises in the hills, and it runs to the sea; of all that it carries, most stays with the fields. "
PICTURE = re.compile(r"!\[(.+)\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)")


@pytest.fixture(scope="module")
def shown_metadata(tmp_path_factory):
    """Asset to what is beside it after a run over a folder with copies, a short text and a failure."""
    root: Path = tmp_path_factory.mktemp("pictures")
    raw = root / "raw"
    raw.mkdir()
    for number in range(4):
        (raw / f"{number}.txt").write_text(f"Chapter {number}. " + PROSE * (5 + number))
    (raw / "copy.txt").write_text((raw / "1.txt").read_text())
    (raw / "short.md").write_text("# Too short\n")
    (raw / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    (root / "exam.txt").write_text(PROSE)
    (root / "headwater.yaml").write_text(
        "sources:\n  - {name: docs, path: raw}\nrules: [gopher, language: {min_confidence: 0}]\nevaluation_sets:\n  - {name: exam, path: exam.txt}\n"
        "decontamination: {documents: keep}\nprivacy: on\n"
    )
    definitions = definitions_of(root)
    made = list(definitions.resolve_asset_graph().materializable_asset_keys)
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, asset_selection=made)
    assert result.success
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {event.asset_key.to_user_string(): {**event.metadata, "root": root} for event in events}


@pytest.fixture(scope="module")
def shown(shown_metadata):
    """Asset to the pictures beside it, by title."""
    return {asset: pictures(metadata) for asset, metadata in shown_metadata.items()}


def pictures(metadata):
    shown = metadata.get("pictures")
    return {title: base64.b64decode(svg) for title, svg in PICTURE.findall(shown.value)} if shown else {}


@pytest.mark.parametrize(
    ("asset", "titles"),
    [
        ("documents", {"documents by media type", "failures by error"}),
        ("signatures", {"characters of a content"}),
        ("quality", {"words of a content", "mean_word_length", "stop_words"}),
        ("language", {"contents by language", "confidence"}),
        ("evaluation_items", {"items by set"}),
        ("contamination", {"share of an item", "contents by set"}),
        ("personal_data", {"personal data by kind", "contents with personal data"}),
        ("duplicates", {"similarity of pairs", "cluster sizes", "copies between sources"}),
        ("verdicts", {"verdicts by rule"}),
        ("corpus", {"characters of a kept content"}),
        ("funnel", {"left after each step", "kept of each source", "failing each rule"}),
    ],
)
def test_each_asset_of_curation_shows_where_its_numbers_lie(shown, asset, titles):
    assert titles <= set(shown[asset])
    assert all(svg.startswith(b"<svg ") and len(svg) < 60_000 for svg in shown[asset].values())


def test_the_gist_of_the_report_is_beside_its_place_and_no_text_is(shown_metadata):
    said = shown_metadata["funnel"]
    page = said["root"] / said["report"].value
    assert said["opened by"].value == "headwater report curation --open"
    assert page.name == "curation.html" and page.stat().st_mode & 0o777 == 0o600
    assert "The river rises" in page.read_text() and "river" not in str(said)


def test_the_largest_clusters_are_named_with_their_sizes_and_shown_in_the_report(shown_metadata):
    said = shown_metadata["duplicates"]
    (row,) = said["largest clusters"].value.splitlines()[2:]
    kept, *told = row.strip("| ").split(" | ")
    copied = pl.read_json(said["root"] / said["rows in full"].value)
    assert copied["kept_id"].unique().item().startswith(kept)
    near = copied.filter(kind="near").height
    assert told == [str(copied.height + 1), str(near), f"{copied['jaccard'].min():.3g}"]
    place, _, part = said["their texts"].value.split("`")[1].partition("#")
    page = (said["root"] / place).read_text()
    assert f'id="{part}"' in page and f"stays for {copied.height} others" in page and "removed, Jaccard 0" in page
    assert "river" not in str(said)


def test_clusters_are_listed_from_the_largest_and_ten_at_most():
    names = [f"{number:032x}" for number in range(12) for _ in range(number + 1)]
    near = pl.LazyFrame({"kept_id": names, "kind": "near", "jaccard": 0.9})
    lines = largest_clusters({"duplicates": near})["largest clusters"].splitlines()[2:]
    assert [line.split(" | ")[1:3] for line in lines] == [[str(size + 1), str(size)] for size in range(12, 2, -1)]
    assert largest_clusters({"duplicates": near.head(0)}) == {}


def test_the_pictures_say_what_the_tables_hold():
    verdicts = pl.LazyFrame(
        {"verdict": ["dropped", "kept", "dropped", "dropped"], "rule": ["gopher.min_words", None, "empty", "empty"]}
    )
    (drawn,) = of_verdicts({"verdicts": verdicts})
    counts = {"kept": 1, "dropped: empty": 2, "dropped: gopher.min_words": 1}
    assert drawn.svg == bars(counts, "documents by the rule that decided", "documents")
    of, kept = ["web", "mail", "mail"], ["web", "web", "mail"]
    removed = pl.LazyFrame({"source": of, "kept_id": ["a", "a", "b"], "kept_source": kept})
    tables = {
        "pairs": pl.LazyFrame({"jaccard": [0.4, 0.9]}),
        "duplicates": removed,
        "documents": pl.LazyFrame({"source": ["web", "mail", *of]}),
        "source_order": pl.LazyFrame({"rank": [1, 0], "source": ["mail", "web"]}),
    }
    sizes, between, similar = of_duplicates(tables)
    assert similar.svg == histogram([0.4, 0.9], "Jaccard similarity of near pairs")
    expected = {"2": 1, "3": 1, "4 to 10": 0, "11 to 100": 0, "over 100": 0}
    assert sizes.svg == bars(expected, "documents in a cluster: the one that is kept, and its copies", "clusters")
    copied = {("web", "web"): 1, ("mail", "web"): 1, ("mail", "mail"): 1}
    title = "of each source (row) the share removed for a document of (column)"
    assert between.svg == shares({"web": 2, "mail": 3}, copied, title)
    (lengths,) = of_corpus({"corpus": pl.LazyFrame({"text": ["", "x" * 10, "y" * 1000]})})
    assert lengths.svg == histogram([1.0, 3.0], "characters of a kept content, as powers of ten")


def test_the_items_of_each_set_that_stand_in_contents_are_counted_once():
    match = {"words": 13, "share": 1.0, "run": 13}
    matches = [
        [{"set": "a", "item": "1"} | match],
        [{"set": "a", "item": "1"} | match, {"set": "b", "item": "2"} | match],
        [],
    ]
    table = pl.LazyFrame({"matches": matches}, schema={"matches": CONTAMINATION["matches"]})
    assert items_in_contents({"contamination": table}) == {"items found: a": 1, "items found: b": 1}


def test_tables_without_rows_are_drawn():
    empty = {
        "documents": pl.LazyFrame(schema={"media_type": pl.String}),
        "failures": pl.LazyFrame(schema={"error": pl.String}),
        "quality": pl.LazyFrame(
            schema=dict.fromkeys(
                (
                    "n_plain_words",
                    "mean_word_length",
                    "stop_words",
                    "duplicate_line_char_share",
                    "top_2gram_char_share",
                ),
                pl.Float64,
            )
        ),
        "verdicts": pl.LazyFrame(schema={"verdict": pl.String, "rule": pl.String}),
        "contamination": pl.LazyFrame(schema=CONTAMINATION),
        "personal_data": pl.LazyFrame(schema=PERSONAL_DATA),
    }
    assert items_in_contents(empty) == {}
    for draw in (of_documents, of_quality, of_contamination, of_personal_data, of_verdicts):
        assert all(picture.svg.startswith(b"<svg ") for picture in draw(empty))


def test_annotators_are_drawn_with_their_intervals_and_nobody_is_named():
    rows = [
        {
            "project": "p",
            "criterion": "preference",
            "annotator": name,
            "tasks": 20,
            "shared": 8,
            "alpha": 0.6,
            "low": 0.4,
            "high": 0.8,
        }
        | {
            "gold": 4,
            "gold_right": 0.75,
            "gold_low": 0.3,
            "gold_high": 0.95,
            "left": 0.5,
            "left_low": 0.3,
            "left_high": 0.7,
        }
        for name in ("everyone", "0123456789abcdef")
    ]
    (drawn,) = annotator_pictures(pl.DataFrame(rows, schema=QUALITY))
    assert drawn.title == "annotators" and drawn.svg.startswith(b"<svg ")
    assert drawn == annotator_pictures(pl.DataFrame(rows, schema=QUALITY))[0]
    assert annotator_pictures(pl.DataFrame(schema=QUALITY)) == []
