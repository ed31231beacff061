"""Headwater: every signal of quality, then a verdict by the rules of the four papers' sets."""

import sys

import polars as pl
import pyarrow.parquet as pq

from curation.c4 import C4Rules
from curation.fineweb import FineWebRules
from curation.gopher import GopherRules
from curation.quality import QualitySettings, quality
from curation.rule_sets import RuleSet
from curation.verdicts import decide

# The limit of datatrove's code, so that the same is compared.
FINEWEB = FineWebRules(max_repeated_line_characters=0.01)
RULES = (RuleSet(gopher=GopherRules()), RuleSet(c4=C4Rules()), RuleSet(fineweb=FINEWEB))

corpus, answer = sys.argv[1:]
file, parts = pq.ParquetFile(corpus), []
for group in range(file.num_row_groups):
    for batch in file.read_row_group(group).combine_chunks().to_batches():
        parts.append(pl.DataFrame(pl.from_arrow(quality(batch, QualitySettings()))))
evidence = pl.concat(parts)
documents = evidence.select("content_digest", doc_id="content_digest")
none = pl.DataFrame(schema={"doc_id": pl.String, "kept_id": pl.String, "kind": pl.String, "jaccard": pl.Float64})
table = decide(documents, none, {"quality": evidence}, RULES).table
table.select("doc_id", "rules").write_parquet(answer)
