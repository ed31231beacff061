"""Real pages, and the same texts as rows: HTML of Debian's documentation, then JSON lines and Parquet made from it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import polars as pl

from benchmarks.packages import fetched

PACKAGES = (
    "apache2-doc",
    "debian-handbook",
    "erlang-doc",
    "ghc-doc",
    "git-doc",
    "libgtk-3-doc",
    "libstdc++-12-doc",
    "octave-doc",
    "openjdk-17-doc",
    "postgresql-doc-15",
    "python-django-doc",
    "python-sqlalchemy-doc",
    "python3.11-doc",
    "rust-doc",
)
_SHARD_ROWS = 2_000


def pages(cache: Path) -> Path:
    """A folder of HTML files, one folder a package."""
    target = cache / "html"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=_made(cache)) as folder:
            kept = Path(folder) / "html"
            for package in PACKAGES:
                _unpack(fetched(package, cache / "packages"), kept / package)
            kept.rename(target)
    return target


def rows(texts: pl.DataFrame, kind: str, cache: Path) -> Path:
    """A folder of JSON lines or Parquet files that hold the texts, a few thousand in each."""
    target = cache / kind
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=_made(cache)) as folder:
            kept = Path(folder) / kind
            kept.mkdir()
            for number, shard in enumerate(texts.select("text", "title").iter_slices(_SHARD_ROWS)):
                if kind == "jsonl":
                    shard.write_ndjson(kept / f"{number:04}.jsonl")
                else:
                    shard.write_parquet(kept / f"{number:04}.parquet")
            kept.rename(target)
    return target


def files(folder: Path) -> list[Path]:
    """All pages below a folder; a name that ends like one may be a folder's."""
    return [path for path in sorted(folder.rglob("*.htm*")) if path.is_file()]


def size_of(folder: Path) -> tuple[int, int]:
    """How many files, and how many bytes they have."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def _unpack(package: Path, target: Path) -> None:
    """The package's pages; links and all else left behind."""
    with tempfile.TemporaryDirectory(dir=package.parent) as folder:
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
        for page in sorted(Path(folder).rglob("*.htm*")):
            if page.is_file() and not page.is_symlink() and page.suffix in (".html", ".htm"):
                place = target / page.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                page.rename(place)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
