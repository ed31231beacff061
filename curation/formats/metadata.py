"""What a document says of itself: its date, and facts such as language, address and licence, as canonical JSON.

Only what stands in the content counts. A date that cannot be read as one is left out rather than guessed, so the column
`date` holds ISO 8601 (a year, a month, a day, or a point in time) and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

_PARTIAL = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2]))?")
_LONGEST = 64


def as_json(facts: Mapping[str, object]) -> str | None:
    """The facts as canonical JSON (keys sorted), without those that are empty; None when none is left."""
    told = {name: value for name, value in facts.items() if value not in (None, "", [], {}, ())}
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")) if told else None


def iso_date(value: object) -> str | None:
    """An ISO 8601 date of what a document calls its date: a date, ISO itself, the form of e-mail, seconds since 1970.

    >>> iso_date("Thu, 02 Jan 2020 03:04:05 GMT"), iso_date("2020-01"), iso_date("soon")
    ('2020-01-02T03:04:05+00:00', '2020-01', None)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_seconds(value)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        return None
    text = value.strip()
    if not text or len(text) > _LONGEST or not text.isascii():
        return None
    return text if _PARTIAL.fullmatch(text) else _of_iso(text) or _of_mail(text)


def _of_iso(text: str) -> str | None:
    try:
        point = datetime.fromisoformat(text)
    except ValueError:
        return None
    dashed = "-" in text[:5]
    if not dashed and len(text) != len("20200102"):
        return None  # the digits alone of an order number are no date
    return point.date().isoformat() if len(text) <= len("2020-01-02") else point.isoformat()


def _of_mail(text: str) -> str | None:
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, IndexError, TypeError):
        return None


def _of_seconds(seconds: float) -> str | None:
    """A time stamp of the years 1990 to 2100; another number is something else."""
    try:
        point = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return point.isoformat() if 1990 <= point.year < 2100 else None
