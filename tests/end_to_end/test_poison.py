"""A folder of poison, read by the command itself: the run ends well, each file stands in `failures` with its reason, and
all other documents are there. Files that change or vanish meanwhile are tried in `tests/curation/test_reading.py`."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import socket
import zipfile
from pathlib import Path

import polars as pl

from tests.end_to_end.workspaces import headwater
from tests.forked_commands import HEADWATER

FILES = Path(__file__).parents[1] / "curation" / "formats" / "files"
GOOD = "The harbour lies where the river meets the sea."
WITHOUT_ROOTS_RIGHTS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""Root may read everything, but not in a process without these."""


def zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


def altered(name: str, changes: dict[str, tuple[bytes, bytes]]) -> bytes:
    """One of the office documents with something replaced in its parts."""
    with zipfile.ZipFile(FILES / name) as package:
        parts = {part: package.read(part) for part in package.namelist()}
    return zipped(parts | {part: parts[part].replace(old, new, 1) for part, (old, new) in changes.items()})


def poison(folder: Path) -> dict[str, str]:
    """Fill the folder; each locator that must fail with its reason."""
    pdf = (FILES / "running.pdf").read_bytes()
    entities = b'<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><w:document'
    within = zipped({"deep.txt": b"deep"})
    for _ in range(4):
        within = zipped({"in.zip": within})
    files: dict[str, tuple[bytes, str]] = {
        "cut.pdf": (pdf[: len(pdf) // 3], "malformed PDF"),
        "locked.pdf": ((FILES / "locked.pdf").read_bytes(), "encrypted"),
        "bomb.zip": (zipped({"a.txt": b"fine", "bomb.txt": bytes(100 << 20)}), "over the limit"),
        "bomb.gz": (gzip.compress(bytes(100 << 20), 1), "over the limit"),
        "deep.json": (b"[" * 10_000 + b"]" * 10_000, "malformed JSON"),
        "deep.html": (b"<html>" + b"<div><!--</div>-->" * 100_000, "over the limit"),
        "entities.docx": (
            altered("manual.docx", {"word/document.xml": (b"<w:document", entities)}),
            "malformed document",
        ),
        "nul.txt": (b"some words\0and more", "binary"),
        "mixed.txt": ("Grüße, ".encode() + "Grüße".encode("utf-16-le") + b"\x81\x8d\0\xff", "binary"),
        "cut.gz": (gzip.compress(GOOD.encode())[:-9], "damaged archive"),
        "cut.parquet": (b"PAR1\0\0\0", "malformed Parquet"),
        "picture.txt": (b"\x89PNG\r\n\x1a\n\0", "no reader for image/png"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    (folder / "in.zip").write_bytes(within)
    (folder / "closed.txt").write_text("Nobody may read this.")
    (folder / "closed.txt").chmod(0)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))
    (folder / "out").symlink_to("/etc/hostname")
    (folder / "nowhere").symlink_to("missing")
    os.close(os.open(os.fsencode(folder) + b"/caf\xe9.txt", os.O_CREAT | os.O_WRONLY))
    with (folder / "line.jsonl").open("wb") as line:
        for _ in range(1 << 7):
            line.write(b"a" * (1 << 20))
    return {name: reason for name, (_, reason) in files.items()} | {
        "in.zip": "no text",
        "in.zip#in.zip#in.zip#in.zip": "over the limit",
        "closed.txt": "permission denied",
        "pipe": "named pipe",
        "socket": "socket",
        "out": "symbolic link out of the source",
        "nowhere": "broken symbolic link",
        "./caf\\xe9.txt": "name is not UTF-8",
        "line.jsonl": "no text",
        "line.jsonl#L1": "over the limit",
        "rows.jsonl#L2": "malformed JSON",
    }


def test_a_folder_of_poison_costs_nothing_but_the_poison(tmp_path: Path) -> None:
    raw = tmp_path / "mine" / "raw"
    raw.mkdir(parents=True)
    (raw.parent / "headwater.yaml").write_text(
        "sources:\n  - {name: raw, path: raw}\nreading: {max_unfolded: 67108864}\n"
    )
    expected = poison(raw)
    outside = (
        b'<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate"'
        b' Target="http://127.0.0.1:9/t.dotx" TargetMode="External"/></Relationships>'
    )
    links = {"word/_rels/document.xml.rels": (b"</Relationships>", outside)}
    good = {
        "a.txt": GOOD.encode(),
        "b.html": f"<html><body><p>{GOOD}</p></body></html>".encode(),
        "external.docx": altered("manual.docx", links),
        "latin.txt": "Die Brücke über den Fluß ist schön, und früher fuhren hier Züge.\n".encode("latin-1"),
        "rows.jsonl": b'{"text": "one"}\n{"text": \n{"text": "three"}\n',
        "running.pdf": (FILES / "running.pdf").read_bytes(),
        "zz.zip": zipped({"z.txt": GOOD.encode()}),
    }
    for name, data in good.items():
        (raw / name).write_bytes(data)
    command = (*WITHOUT_ROOTS_RIGHTS, str(HEADWATER)) if os.geteuid() == 0 else (str(HEADWATER),)
    done = headwater("run", "documents", "-w", raw.parent, command=command)
    assert done.code == 0, done.err + done.out
    failed = pl.read_json(io.StringIO(shown(raw.parent, "failures")))
    assert dict(failed.select("locator", "error").iter_rows()) == expected, failed.select("locator", "detail").rows()
    assert failed["detail"].str.len_chars().min() > 0
    documents = pl.read_json(io.StringIO(shown(raw.parent, "documents")))
    assert set(documents["path"]) == set(good)
    assert documents.filter(pl.col("path") == "latin.txt")["text"].item().startswith("Die Brücke über")
    shutil.rmtree(raw)


def shown(workspace: Path, table: str) -> str:
    """A table's rows as JSON."""
    target = workspace / f"{table}.parquet"
    said = headwater("table", table, "-w", workspace, "-o", target)
    assert said.code == 0, said.err
    return json.dumps(pl.read_parquet(target).to_dicts())
