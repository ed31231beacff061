"""Real text of any size, free to fetch: the documentation of free software, as Debian packages it, cut into sections.

Its like is what curation meets: pages made by templates, changelogs, tables of functions, the same licence again and
again, and a dozen versions of one sentence. HTML becomes text by resiliparse; a section starts at a heading, and
counts from 300 to 4,000 characters (shorter ones join the next, longer ones are cut between paragraphs).
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import polars as pl

from benchmarks.packages import fetched

PACKAGES = (
    "ant-doc",
    "apache2-doc",
    "cppreference-doc-en-html",
    "csound-doc",
    "db5.3-doc",
    "debian-handbook",
    "debian-policy",
    "erlang-doc",
    "freedombox-doc-en",
    "ghc-doc",
    "gimp-help-en",
    "git-doc",
    "grass-doc",
    "kicad-doc-en",
    "libace-doc",
    "libboost1.81-doc",
    "libeigen3-doc",
    "libgtk-3-doc",
    "libgtk-4-doc",
    "libgtkmm-3.0-doc",
    "libpcl-doc",
    "libsdl2-doc",
    "libstdc++-12-doc",
    "lilypond-doc",
    "linux-doc-6.1",
    "linuxcnc-doc-en",
    "llvm-14-doc",
    "maxima-doc",
    "ns3-doc",
    "octave-doc",
    "opencv-doc",
    "openjdk-17-doc",
    "openms-doc",
    "petsc3.18-doc",
    "postgresql-doc-15",
    "python-astropy-doc",
    "python-biopython-doc",
    "python-django-doc",
    "python-pandas-doc",
    "python-qutip-doc",
    "python-scipy-doc",
    "python-sfepy-doc",
    "python-skimage-doc",
    "python-sklearn-doc",
    "python-sqlalchemy-doc",
    "python-statsmodels-doc",
    "python-sympy-doc",
    "python3.11-doc",
    "qtbase5-doc-html",
    "qtcreator-doc",
    "qtdeclarative5-doc-html",
    "racket-doc",
    "rust-doc",
    "rust-web-doc",
    "sagemath-doc",
    "scilab-doc",
    "simbody-doc",
    "singular-doc",
    "sphinx-doc",
    "sqlite3-doc",
    "sumo-doc",
    "vtk9-doc",
    "wx3.2-doc",
)
SHORTEST, LONGEST = 300, 4_000
_HEADING = re.compile(r"(<h[1-4][^>]*>)", re.IGNORECASE)
_MARK = "\N{SYMBOL FOR RECORD SEPARATOR}"
_SCHEMA = {"package": pl.String, "page": pl.String, "text": pl.String}


def sections(cache: Path) -> Path:
    """A Parquet file of all sections (package, page, text), each text once, in the order of their digests."""
    target = cache / "sections.parquet"
    if not target.exists():
        packages = [fetched(name, cache / "packages") for name in PACKAGES]
        with ProcessPoolExecutor(2) as pool:
            parts = list(pool.map(_cut_package, packages))
        found = pl.concat([pl.read_parquet(part) for part in parts]).unique("text", keep="first", maintain_order=True)
        digests = [hashlib.sha256(text.encode()).digest() for text in found["text"]]
        ordered = found.with_columns(digest=pl.Series(digests)).sort("digest").drop("digest")
        ordered.write_parquet(target, row_group_size=10_000)
    return target


def _cut_package(archive: Path) -> Path:
    """The sections of a package, as a Parquet file beside it; kept, for it takes seconds to minutes."""
    target = archive.with_suffix(".parquet")
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            subprocess.run(["dpkg-deb", "--extract", archive, folder], check=True)
            rows = list(_sections_of(archive.name.split("_")[0], Path(folder)))
        pl.DataFrame(rows, schema=_SCHEMA, orient="row").write_parquet(target)
    return target


def _sections_of(package: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    for path in sorted(folder.rglob("*.htm*")):
        if path.is_file() and not path.is_symlink():
            text = text_of(path.read_bytes().decode("utf-8", "replace"))
            yield from ((package, str(path.relative_to(folder)), section) for section in cut(text))


def text_of(html: str) -> str:
    """The main text of a page, with a mark before each heading."""
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(_HEADING.sub(rf"\1{_MARK}", html), main_content=True, noscript=False))


def cut(text: str) -> Iterator[str]:
    """The sections of a text: whole paragraphs, a heading first where the page has one."""
    held = ""
    for paragraph in text.replace(_MARK, f"\n\n{_MARK}").split("\n\n"):
        fresh = paragraph.replace(_MARK, "").strip()
        if not fresh:
            continue
        full = len(held) + len(fresh) > LONGEST or (_MARK in paragraph and len(held) >= SHORTEST)
        if held and full:
            yield held[:LONGEST]
            held = ""
        held = f"{held}\n\n{fresh}" if held else fresh
    if len(held) >= SHORTEST:
        yield held[:LONGEST]
