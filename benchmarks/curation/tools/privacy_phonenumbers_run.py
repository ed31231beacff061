"""The own search of `phonenumbers` for the numbers of one country; prints how many, as JSON."""

import json
import sys

import phonenumbers
import pyarrow.parquet as pq

count = 0
for text in pq.read_table(sys.argv[1], columns=["text"])["text"].to_pylist():
    count += sum(1 for _ in phonenumbers.PhoneNumberMatcher(text, "US"))
print(json.dumps({"phones": count}))
