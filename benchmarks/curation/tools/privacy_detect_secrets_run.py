"""detect-secrets with all its plugins over the lines of a Parquet file of texts; prints how many secrets, as JSON."""

import json
import sys

import pyarrow.parquet as pq
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import default_settings

count = 0
with default_settings():
    for text in pq.read_table(sys.argv[1], columns=["text"])["text"].to_pylist():
        for line in text.splitlines():
            count += sum(1 for _ in scan_line(line))
print(json.dumps({"secrets": count}))
