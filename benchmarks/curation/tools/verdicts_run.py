"""Verdicts of as many documents as the evidence has rows, under all of the papers' rules with one threshold changed: decided
and committed as a run does it.
"""

import sys
from pathlib import Path

import polars as pl

from benchmarks.curation.tools.committing import committed
from curation.c4 import C4Rules
from curation.fineweb import FineWebRules
from curation.gopher import GopherRules
from curation.rule_sets import RuleSet
from curation.verdicts import VERDICTS, decided

evidence = pl.scan_parquet(sys.argv[1])
documents = evidence.select("content_digest", doc_id="content_digest")
none = pl.DataFrame(schema={"doc_id": pl.String, "kept_id": pl.String, "kind": pl.String, "jaccard": pl.Float64})
rules = (RuleSet(gopher=GopherRules(min_words=30)), RuleSet(c4=C4Rules()), RuleSet(fineweb=FineWebRules()))
committed(Path(sys.argv[2]), "doc_id", decided(documents, none, {"quality": evidence}, rules), VERDICTS)
