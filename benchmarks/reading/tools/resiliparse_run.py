"""The extractor alone: each page's main content, one after the other, nothing kept."""

import sys
from pathlib import Path

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str
from resiliparse.parse.html import HTMLTree

with_text = 0
for page in filter(Path.is_file, sorted(Path(sys.argv[1]).rglob("*.htm*"))):
    tree = HTMLTree.parse(bytes_to_str(page.read_bytes()))
    with_text += bool(extract_plain_text(tree, main_content=True))
print(with_text)
