"""Record batches of PyArrow, of whatever file: whether one is what it says, and its rows as Python has them."""

from __future__ import annotations

from typing import Any

from curation.formats.extracts import Poison


class Damaged(Exception):
    """Something of a row group or a record batch cannot be read."""


def check_names(schema: Any) -> None:
    """Raises UnicodeDecodeError where the name of a column, or of what lies within one, is damaged."""
    fields = list(schema)
    while fields:
        kind = fields[-1].type
        fields.pop().name  # noqa: B018 - it is decoded when it is asked for
        fields += [kind.field(number) for number in range(kind.num_fields)]


def is_valid(batch: Any) -> bool:
    """Whether all that the batch holds is what its types say: strings of a damaged file may be no UTF-8."""
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def values_of(batch: Any) -> list[dict[str, object] | Exception]:
    """The rows by the names of their columns; for one that holds what Python cannot, the error. Raises Damaged where more is
    wrong."""
    import pyarrow as pa

    try:
        return batch.to_pylist()  # type: ignore[no-any-return]
    except pa.ArrowException as error:
        raise Damaged from error
    except (ValueError, OverflowError, KeyError) as error:
        half = batch.num_rows // 2
        return [*values_of(batch.slice(0, half)), *values_of(batch.slice(half))] if half else [error]


def unread(number: int, error: Exception) -> Poison:
    """The failure of a row with a string that is no UTF-8, or with a value that there is none for in Python."""
    if isinstance(error, UnicodeDecodeError):
        return Poison(
            f"row={number}", "not Unicode", "a string of the row holds bytes that are no UTF-8: write it again"
        )
    if isinstance(error, KeyError):
        what = f"a time of the row is in a time zone that is unknown here, {error}: write it in UTC, or as a string"
        return Poison(f"row={number}", "malformed record", what)
    what = "a date or time of the row is out of range (years 1 to 9999, to the microsecond): correct it, or write it as a string"
    return Poison(f"row={number}", "malformed record", what)
