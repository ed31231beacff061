"""One of dolma's taggers on every document: dolma_run.py CORPUS ANSWER TAGGER."""

import sys

import dolma.taggers  # noqa: F401 - registers them
import pyarrow as pa
import pyarrow.parquet as pq
from dolma.core.data_types import Document
from dolma.core.registry import TaggerRegistry

corpus, answer, name = sys.argv[1:]
tagger = TaggerRegistry.get(name)()
table = pq.read_table(corpus)
ids, texts = table["content_digest"].to_pylist(), table["text"].to_pylist()
spans = [
    len(tagger.predict(Document(source="pages", id=digest, text=text)).spans)
    for digest, text in zip(ids, texts, strict=True)
]
pq.write_table(pa.table({"doc_id": ids, "spans": spans}), answer)
