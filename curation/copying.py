"""Copies between arrays in compiled loops: Numba takes two seconds to compile a slice that is written to, for its error."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from curation.compilation import piece


@piece
def copy(source: npt.NDArray[Any], begin: int, end: int, target: npt.NDArray[Any], at: int) -> None:
    """Copy source[begin:end] to target[at:], from the first on: the two may be one array where at <= begin."""
    for i in range(end - begin):
        target[at + i] = source[begin + i]
