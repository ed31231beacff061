"""What the pages of curation's assets show: where their numbers lie, read from the tables as they stand.

Names and numbers alone are read, of a text at most its length: a picture costs little beside what it shows, and holds
nothing of the data.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from curation.deduplication.survivors import shown_similarity
from curation.funnel import Report
from curation.funnel.copies import copies_between, largest_groups
from curation.privacy.evidence import COUNTED
from curation.quality import SIGNALS
from curation.spans import spans_by_content
from pipelines.lookup import SHORT
from plots import bars, histogram, intervals, shares
from records import Picture

Tables = Mapping[str, pl.LazyFrame]

LARGEST = 10
"""The clusters that are listed."""
_SIZES = {"2": (2, 2), "3": (3, 3), "4 to 10": (4, 10), "11 to 100": (11, 100), "over 100": (101, 2**32 - 1)}
_SHOWN_IN = (
    "in `.headwater/reports/curation.html#copies`, which `funnel` makes; `headwater report curation --open` opens it"
)

SHOWN = ("mean_word_length", "stop_words", "duplicate_line_char_share", "top_2gram_char_share")
"""Signals of quality beside the number of words: one for each kind of rule."""


def of_documents(tables: Tables) -> list[Picture]:
    """What was read, by media type, and what was not, by error."""
    read = _counted(tables["documents"], pl.col("media_type").fill_null("unknown"))
    failed = _counted(tables["failures"], pl.col("error"))
    pictures = [Picture("documents by media type", bars(read, "documents by media type", "documents"))]
    return pictures + ([Picture("failures by error", bars(failed, "failures by error", "failures"))] if failed else [])


def of_signatures(tables: Tables) -> list[Picture]:
    """How long the contents are."""
    return [_lengths(tables["signatures"].select(pl.col("n_characters")), "characters of a content")]


def of_quality(tables: Tables) -> list[Picture]:
    """Where some signals lie."""
    found = tables["quality"]
    told = [Picture(name, histogram(_values(found, name), f"{name}: {SIGNALS[name]}")) for name in SHOWN]
    return [_lengths(found.select("n_plain_words"), "words of a content"), *told]


def of_language(tables: Tables) -> list[Picture]:
    """Which languages there are, and how sure that is."""
    found = tables["language"]
    languages = _counted(found, pl.col("language"))
    confidence = _values(found, "confidence")
    return [
        Picture("contents by language", bars(languages, "contents by language", "contents")),
        Picture("confidence", histogram(confidence, "the model's probability of the language")),
    ]


def of_lines(tables: Tables) -> list[Picture]:
    """How much of the texts stands in lines that RefinedWeb corrects, and what is cut by which rule."""
    shares = tables["lines"].filter(pl.col("refinedweb_share") > 0).select("refinedweb_share").collect().to_series()
    marked = _counted(spans_by_content(tables["lines"]).select("kind"), pl.col("kind"))
    return [
        Picture(
            "share of words in such lines", histogram(shares, "words in lines that RefinedWeb corrects, where any")
        ),
        Picture("lines by rule", bars(marked, "lines and parts of lines by the rule that marks them", "spans")),
    ]


def of_evaluation_items(tables: Tables) -> list[Picture]:
    """How many items each set has."""
    items = _counted(tables["evaluation_items"], pl.col("set"))
    return [Picture("items by set", bars(items, "evaluation items by set", "items"))]


def of_contamination(tables: Tables) -> list[Picture]:
    """How much of an evaluation item stands in the contents that hold any, and of which sets."""
    found = tables["contamination"].filter(pl.col("share") > 0)
    shares = found.select("share").collect().to_series()
    of_set = pl.col("matches").list.eval(pl.element().struct.field("set")).list.unique()
    sets = _counted(found.select(set=of_set).explode("set"), pl.col("set"))
    return [
        Picture("share of an item", histogram(shares, "largest share of one item, where any stands")),
        Picture("contents by set", bars(sets, "contents that hold part of an item, by its set", "contents")),
    ]


def items_in_contents(tables: Tables) -> dict[str, int]:
    """How many items of each evaluation set stand in contents, as far as matches are written down."""
    match = tables["contamination"].select(match="matches").explode("match", empty_as_null=True).drop_nulls()
    items = match.unnest("match").group_by("set").agg(pl.col("item").n_unique()).sort("set").collect(engine="streaming")
    return {f"items found: {name}": count for name, count in items.iter_rows()}


def counts_of_personal_data(tables: Tables) -> dict[str, int]:
    """How many places of each kind were found."""
    found = tables["personal_data"].select(*COUNTED.values()).sum().collect(engine="streaming")
    return {f"found: {column.replace('_', ' ')}": count or 0 for column, count in found.row(0, named=True).items()}


def of_personal_data(tables: Tables) -> list[Picture]:
    """How much of each kind was found, and in how many contents any was."""
    having = (
        tables["personal_data"]
        .select((pl.col(*COUNTED.values()) > 0).sum())
        .collect(engine="streaming")
        .row(0, named=True)
    )
    contents = {column.replace("_", " "): count for column, count in having.items()}
    places = {said.removeprefix("found: "): count for said, count in counts_of_personal_data(tables).items()}
    return [
        Picture("personal data by kind", bars(places, "personal data by kind", "places")),
        Picture("contents with personal data", bars(contents, "contents that hold any, by kind", "contents")),
    ]


def of_duplicates(tables: Tables) -> list[Picture]:
    """How similar the pairs that are near are, how large the clusters, and between which sources the copies lie."""
    measured = tables["pairs"].select("jaccard").collect().to_series()
    copies = tables["duplicates"].group_by("kept_id").len().select("len").collect().to_series()
    sizes = {said: int((copies + 1).is_between(low, high).sum()) for said, (low, high) in _SIZES.items()}
    order = tables["source_order"].sort("rank").select("source").collect().to_series().to_list()
    between = copies_between(tables["documents"], tables["duplicates"], order)
    title = "of each source (row) the share removed for a document of (column)"
    return [
        Picture(
            "cluster sizes", bars(sizes, "documents in a cluster: the one that is kept, and its copies", "clusters")
        ),
        Picture("copies between sources", shares(*between, title)),
        Picture("similarity of pairs", histogram(measured, "Jaccard similarity of near pairs")),
    ]


def largest_clusters(tables: Tables) -> dict[str, str]:
    """The clusters of which most is removed, by the document that is kept, and where their texts are shown."""
    rows = largest_groups(tables["duplicates"], LARGEST)
    lines = [
        f"| {name[:SHORT]} | {removed + 1:,} | {near:,} | {shown_similarity(least, 3)} |"
        for name, removed, near, least in rows.iter_rows()
    ]
    head = ["| kept | documents | near copies | least similar |", "| --- | ---: | ---: | ---: |"]
    return {"largest clusters": "\n".join([*head, *lines]), "their texts": _SHOWN_IN} if lines else {}


def of_verdicts(tables: Tables) -> list[Picture]:
    """What is kept, and what each rule drops."""
    fate = pl.format("{}: {}", "verdict", pl.col("rule").fill_null("no rule"))
    counted = _counted(tables["verdicts"], pl.when(pl.col("verdict") == "kept").then(pl.lit("kept")).otherwise(fate))
    kept = {name: counted[name] for name in ("kept",) if name in counted}
    return [Picture("verdicts by rule", bars(kept | counted, "documents by the rule that decided", "documents"))]


def of_corpus(tables: Tables) -> list[Picture]:
    """How long the kept contents are."""
    return [_lengths(tables["corpus"].select(pl.col("text").str.len_chars()), "characters of a kept content")]


def of_funnel(report: Report) -> list[Picture]:
    """What is left after each step, what became of each source, and how many documents fail each rule."""
    rows = report.table.filter(pl.col("fate").is_in(["in", "kept"]))
    left = rows.filter(fate="kept").group_by("step", maintain_order=True).agg(pl.col("documents").sum())
    read = rows.filter(pl.col("place") == 0, fate="in").select("source", found="documents")
    last = rows.filter(pl.col("place") == pl.col("place").max(), fate="kept").select("source", "documents")
    kept = read.join(last, on="source", maintain_order="left").sort("found", descending=True, maintain_order=True)
    of_source = {f"{name}: of {found:,}": count for name, found, count in kept.iter_rows()}
    fails = dict(sorted(report.overlaps.fails.items(), key=lambda rule: (-rule[1], rule[0])))
    return [
        Picture("left after each step", bars(dict(left.iter_rows()), "documents left after each step", "documents")),
        Picture("kept of each source", bars(of_source, "documents kept of each source", "documents")),
        Picture("failing each rule", bars(fails, "documents that fail each rule", "documents")),
    ]


def _counted(rows: pl.LazyFrame, by: pl.Expr) -> dict[str, int]:
    """How many rows have each value, the most frequent first."""
    counted = rows.group_by(by=by).len().sort("len", "by", descending=[True, False])
    return dict(counted.collect(engine="streaming").iter_rows())


def _values(rows: pl.LazyFrame, column: str) -> pl.Series:
    """One column, without nulls: of a large table no more is held at a time."""
    return rows.select(pl.col(column).drop_nulls()).collect(engine="streaming").to_series()


def _lengths(numbers: pl.LazyFrame, title: str) -> Picture:
    """Lengths differ by orders of magnitude; an empty text has none."""
    powers = numbers.select(pl.all().cast(pl.Float64).log10()).collect(engine="streaming").to_series().drop_nulls()
    return Picture(title, histogram(powers, f"{title}, as powers of ten"))


def annotator_pictures(quality: pl.DataFrame) -> list[Picture]:
    """What a person wants to see of `annotator_quality`: agreement, known questions, and habits, each with its interval."""
    measures = {
        "alpha": ("alpha", "low", "high", "shared"),
        "right on known questions": ("gold_right", "gold_low", "gold_high", "gold"),
        "share of preferences for the left answer": ("left", "left_low", "left_high", "tasks"),
        "share of preferences for the longer answer": ("longer", "longer_low", "longer_high", "tasks"),
    }
    who = pl.format("{} ({})", "annotator", "criterion")
    rows = [
        quality.select(
            model=who,
            prompt=pl.lit("none"),
            metric=pl.lit(name),
            value=value,
            low=low,
            high=high,
            n=pl.col(n).cast(pl.Int64),
        )
        for name, (value, low, high, n) in measures.items()
    ]
    shown = pl.concat(rows).filter(pl.col("value").is_not_null())
    return [Picture("annotators", intervals(shown))] if shown.height else []
