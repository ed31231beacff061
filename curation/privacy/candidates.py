"""Proposals for a batch of texts: where the kernel found something that a detector should look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from curation.privacy import kernels
from curation.privacy.national_ids import ID_NAMES
from curation.privacy.number_kernel import GROUPS, names_table
from curation.privacy.phones import PHONE_NAMES
from curation.privacy.secrets import PREFIXES

Candidate = tuple[int, int, int]
"""Sort, start and end, as `curation.privacy.kernels` has them."""


def _packed(prefixes: Sequence[bytes]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    starts = np.zeros(256, np.uint8)
    starts[[prefix[0] for prefix in prefixes]] = 1
    return np.array([int.from_bytes(prefix, "big") for prefix in prefixes], np.int64), starts


_PREFIXES, _STARTS = _packed(PREFIXES)
_NAMES = names_table(ID_NAMES | PHONE_NAMES)


def candidates(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Mapping[int, list[Candidate]]:
    """The candidates of each text that has any; text t is data[offsets[t] : offsets[t + 1]]."""
    data, offsets = data.view(), offsets.view()
    data.flags.writeable = offsets.flags.writeable = False  # whatever they are made of: so the loop is compiled once
    groups = np.empty((2, GROUPS), np.int64)
    room = 1_024 + (int(offsets[-1]) - int(offsets[0])) // 64
    while True:
        rows = np.empty((room, 4), np.int64)
        count = kernels.propose(data, offsets, _PREFIXES, _STARTS, _NAMES, groups, rows)
        if count >= 0:
            break
        room *= 4
    of_text: dict[int, list[Candidate]] = {}
    for text, sort, start, end in rows[:count].tolist():
        of_text.setdefault(text, []).append((sort, start, end))
    return of_text
