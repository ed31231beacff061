"""Ten thousand real documents: pages of Debian's documentation, each the text of its main content."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from benchmarks.packages import fetched

PACKAGES = (
    "apache2-doc",
    "debian-handbook",
    "erlang-doc",
    "git-doc",
    "postgresql-doc-15",
    "python-django-doc",
    *(
        "python3.11-doc",
        "python-sqlalchemy-doc",
        "libgtk-3-doc",
        "gimp-help-en",
        "debian-policy",
        "qtbase5-doc-html",
    ),
)
DOCUMENTS = 10_000
SOME, FEW = 2_000, 300
"""For what takes longer, and for the slowest peers."""
ROW_GROUP = 2_000
_LEAST = 50


def documents(many: int, cache: Path) -> Path:
    """A Parquet file of that many pages (content_digest, text), in an order that nothing of them decides."""
    target = cache / f"documents-{many}.parquet"
    if not target.exists():
        rows = _all_pages(cache) if many == DOCUMENTS else pl.read_parquet(documents(DOCUMENTS, cache)).head(many)
        draft = target.with_suffix(".draft")
        rows.write_parquet(draft, row_group_size=ROW_GROUP)
        draft.rename(target)
    return target


def _all_pages(cache: Path) -> pl.DataFrame:
    cache.mkdir(parents=True, exist_ok=True)
    found = pl.DataFrame({"text": list(pages_of(PACKAGES, cache))}).unique("text")
    digests = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in found["text"]]
    return found.select(pl.Series("content_digest", digests), "text").sort("content_digest").head(DOCUMENTS)


def size_of(path: Path) -> int:
    """Bytes of text."""
    return int(pl.scan_parquet(path).select(pl.col("text").str.len_bytes().sum()).collect().item())


def pages_of(packages: Iterable[str], cache: Path) -> Iterator[str]:
    """The texts of the packages' pages, in the order of their paths."""
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str
    from resiliparse.parse.html import HTMLTree

    for package in packages:
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            subprocess.run(["dpkg-deb", "--extract", fetched(package, cache / "packages"), folder], check=True)
            for page in sorted(Path(folder).rglob("*.html")):
                if page.is_file() and not page.is_symlink():
                    tree = HTMLTree.parse(bytes_to_str(page.read_bytes()))
                    text = extract_plain_text(tree, main_content=True)
                    if len(text) >= _LEAST:
                        yield text
