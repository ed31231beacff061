"""trafilatura alone, as datatrove calls it: each page's main content, one after the other, nothing kept."""

import sys
from pathlib import Path

from trafilatura import extract

with_text = 0
for page in filter(Path.is_file, sorted(Path(sys.argv[1]).rglob("*.htm*"))):
    with_text += bool(
        extract(page.read_bytes().decode("utf-8", "replace"), include_comments=False, favor_precision=True)
    )
print(with_text)
