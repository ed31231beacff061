"""Real text in many languages, each piece of it known to be in one: Debian's manual pages and message catalogues.

Both were translated by people who speak the language. Of a page, paragraphs are taken and the commands of its typesetter
left out; of a catalogue, messages, without what programs put into them. English is what the messages were translated
from. Pieces are not parted at words. Left out is what tells no language or another one: pieces of less than four fifths
letters and white space (names of options), those of other languages with an English `the`, `and` or the like (pages were
left untranslated in part), and those of a language with a script of its own that are not mostly in it.
"""

from __future__ import annotations

import gettext
import gzip
import random
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmarks.packages import fetched

CATALOGUES = ("evolution-common", "libgtk-3-common", "gimp-data", "vlc-l10n")
_MANUALS = "cs da de el es fi fr hu it ja nl pl pt-br ro ru sr sv uk"
MANUALS = tuple(_MANUALS.split())
_LANGUAGES = "ar cs da de el en es fi fr he hi hu it ja ko nl pl pt ro ru sv th tr uk vi zh"
LANGUAGES = tuple(_LANGUAGES.split())
"""ISO 639-1, as the model and the catalogues name them."""

PIECE = 200
LEAST_WORDY = 0.8
_ENGLISH = re.compile(r"\b(?:the|and|with|this|from|that|you|your|are|for the|of the|to be)\b", re.IGNORECASE)
_OTHER_SCRIPTS = frozenset(("ar", "el", "he", "hi", "ja", "ko", "ru", "th", "uk", "zh"))
_OF_CATALOGUE = {"pt": "pt_BR", "zh": "zh_CN"}
_OF_MANUAL = {"pt_BR": "pt", "zh_CN": "zh"}
_MARKUP = re.compile(r"<[^>]*>|&\w+;|%(?:\d+\$)?[-+#0 ]*[\d.*]*l{0,2}[a-zA-Z]|\$\{[^}]*\}|\{[^}]*\}|\\\w|_")
_ROFF = re.compile(r"\\f.|\\f\(..|\\s[-+]?\d|\\\(..|\\\[[^\]]*\]|\\[-&/,|^ e']|\\\".*")


def pieces(language: str, many: int, length: int, seed: int, downloads: Path) -> list[tuple[str, str]]:
    """As many pieces of that length as there are, `many` at most: where each is from (`manual` or `catalogue`), and it."""
    made: dict[str, list[str]] = {}
    for kind, whole in _wholes(unpacked(downloads), language).items():
        cut = (whole[at : at + length] for at in range(0, len(whole) - length + 1, length))
        made[kind] = [piece for piece in cut if _wordy(piece) and _own(piece, language)]
    draw = random.Random(f"{seed} {language}")
    chosen = [(kind, piece) for kind, some in made.items() for piece in draw.sample(some, min(len(some), many // 2))]
    return sorted(chosen)


@cache
def _wholes(folder: Path, language: str) -> dict[str, str]:
    """All that there is in a language, from catalogues and from manuals."""
    both = {"catalogue": _messages(folder, language), "manual": _paragraphs(folder, language)}
    return {kind: "\n".join(sorted(set(texts))) for kind, texts in both.items()}


def unpacked(downloads: Path) -> Path:
    """A folder with all packages' files."""
    target = downloads / "languages"
    if not target.exists():
        draft = downloads / "languages.draft"
        for package in (*CATALOGUES, *(f"manpages-{name}" for name in MANUALS)):
            subprocess.run(["dpkg-deb", "--extract", fetched(package, downloads / "packages"), draft], check=True)
        draft.rename(target)
    return target


def _wordy(piece: str) -> bool:
    return sum(char.isalpha() or char.isspace() or not char.isascii() for char in piece) >= LEAST_WORDY * len(piece)


def _own(piece: str, language: str) -> bool:
    """Whether nothing shows that the piece is in another language than the page or catalogue."""
    foreign = sum(not char.isascii() for char in piece) > len(piece) // 3
    return language == "en" or not (_ENGLISH.search(piece) or (language in _OTHER_SCRIPTS and not foreign))


def _messages(folder: Path, language: str) -> Iterator[str]:
    """The messages of the catalogues; of English, those that another language's are the translations of."""
    name = "de" if language == "en" else _OF_CATALOGUE.get(language, language)
    for file in sorted((folder / "usr/share/locale" / name / "LC_MESSAGES").glob("*.mo")):
        with file.open("rb") as stream:
            catalogue: dict[str | tuple[str, int], str] = vars(gettext.GNUTranslations(stream))["_catalog"]
        for said, translated in catalogue.items():
            original = said if isinstance(said, str) else said[0]
            if original and (language == "en" or translated != original):
                yield " ".join(_MARKUP.sub(" ", original if language == "en" else translated).split())


def _paragraphs(folder: Path, language: str) -> Iterator[str]:
    """The paragraphs of the manual pages in running text."""
    for of_language in sorted((folder / "usr/share/man").iterdir()):
        if _OF_MANUAL.get(of_language.name, of_language.name) != language:
            continue
        for file in sorted(of_language.rglob("*.gz")):
            page = gzip.decompress(file.read_bytes()).decode("utf-8", "replace")
            for paragraph in re.split(r"^[.'].*$", page, flags=re.MULTILINE):
                said = " ".join(_ROFF.sub("", paragraph).split())
                if len(said) >= PIECE // 2:
                    yield said
