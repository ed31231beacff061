"""Facts of held-out samples: the topic of the question, the language of the document, and a row for each of them."""

from __future__ import annotations

import polars as pl

from curation.sample_facts import SAMPLE_FACTS, sample_facts
from records import MESSAGES
from tests.curation.test_topics import FIELDS, texts


def held_out(questions: list[str]) -> pl.DataFrame:
    rows = [
        {
            "sample_id": f"s{at:04}",
            "doc_id": f"d{at % 3}",
            "split": "train" if at % 5 == 0 else "test",
            "reference": None if at % 7 == 0 else "an answer",
            "messages": [{"role": "user", "content": question}],
        }
        for at, question in enumerate(questions)
    ]
    schema = dict.fromkeys(("sample_id", "doc_id", "split", "reference"), pl.String()) | {"messages": MESSAGES}
    return pl.DataFrame(rows, schema=schema)


def test_each_held_out_sample_has_the_topic_of_its_question_and_the_language_of_its_document() -> None:
    samples = held_out(texts(40))
    corpus = pl.LazyFrame({"doc_id": ["d0", "d1", "d2"], "content_digest": ["c0", "c1", "c2"]})
    language = pl.LazyFrame({"content_digest": ["c0", "c1"], "language": ["de", "en"]})
    found = sample_facts(samples, corpus, language)
    asked = samples.filter((pl.col("split") != "train") & pl.col("reference").is_not_null())
    assert dict(found.schema) == SAMPLE_FACTS and found["sample_id"].to_list() == asked["sample_id"].to_list()
    by_document = dict(found.join(samples, on="sample_id").select("doc_id", "language").unique().iter_rows())
    assert by_document == {"d0": "de", "d1": "en", "d2": None}
    for row in found.join(samples, on="sample_id").to_dicts():
        said = row["messages"][0]["content"]
        assert any(set(row["topic"].split(", ")) <= set(words) and words[0] for words in FIELDS.values()), row
        assert set(row["topic"].split(", ")) & {word for words in FIELDS.values() if set(said.split()) & set(words) for word in words}  # fmt: skip
    assert sample_facts(samples.sample(fraction=1, shuffle=True, seed=1), corpus, language).equals(found)


def test_without_evidence_there_is_a_row_and_no_language() -> None:
    found = sample_facts(held_out(["one question"] * 9), pl.LazyFrame(), None)
    assert found.height and found["language"].null_count() == found["topic"].null_count() == found.height
