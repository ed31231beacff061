"""Verdicts of as many documents as the evidence has rows, under all of the papers' rules with one threshold changed."""

import sys

import polars as pl

from curation.c4 import C4Rules
from curation.fineweb import FineWebRules
from curation.gopher import GopherRules
from curation.rule_sets import RuleSet
from curation.verdicts import decide

evidence = pl.scan_parquet(sys.argv[1])
documents = evidence.select("content_digest", doc_id="content_digest")
none = pl.DataFrame(schema={"doc_id": pl.String, "kept_id": pl.String, "kind": pl.String, "jaccard": pl.Float64})
rules = (RuleSet(gopher=GopherRules(min_words=30)), RuleSet(c4=C4Rules()), RuleSet(fineweb=FineWebRules()))
decide(documents, none, {"quality": evidence}, rules).table.write_parquet(sys.argv[2])
