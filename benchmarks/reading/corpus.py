"""Real pages, and the same texts as rows: HTML of Debian's documentation, then JSON lines and Parquet made from it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
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
_SOURCED = ("ghc-doc", "git-doc", "python3.11-doc")
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


def with_sources(cache: Path) -> Iterator[tuple[Path, Path]]:
    """Pages beside the text in reStructuredText or AsciiDoc that each was made from."""
    for package in _SOURCED:
        folder = cache / "sourced" / package
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=_made(folder.parent)) as made:
                deb = fetched(package, cache / "packages")
                subprocess.run(["dpkg-deb", "--extract", deb, Path(made) / package], check=True)
                (Path(made) / package).rename(folder)
        for page in files(folder):
            for source in _sources(page):
                if source.is_file() and not page.is_symlink():
                    yield page, source


def _sources(page: Path) -> Iterator[Path]:
    """Where the source of a page lies: beside it, or in Sphinx's folder of sources."""
    yield page.with_suffix(".txt")
    for folder in page.parents:
        if (folder / "_sources").is_dir():
            yield (folder / "_sources" / page.relative_to(folder)).with_suffix(".rst.txt")


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
