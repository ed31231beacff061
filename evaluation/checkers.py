"""Whether an answer to a closed-ended sample is right, by the checker that the sample names.

A checker takes what the model wrote and what the sample holds as its reference, and gives 0 to 1. Models wrap answers in
words ("The answer is (B)."), so each checker says which part of an answer counts. None of these runs what a model wrote; the
one that does, `unit_test`, stands apart with its sandbox (`unit_tests.py`).

- `exact`: equal after `normalise`.
- `numeric`: the last number of the answer equals that of the reference, as GSM8K is scored (Cobbe et al. 2021): thousands may
  be grouped, a percent sign is a hundredth, a fraction is divided; to nine significant digits.
- `choice`: the letter of the option, A to J: the whole answer, or the last that is named as one ("(B)", "answer: B").
- `pattern`: the whole answer matches the reference, a regular expression in Rust's syntax, which takes linear time on any text.
- `json`: the answer, or the code block in it, is the reference's JSON value; the order of keys says nothing.
- `schema`: the answer, or the code block in it, is JSON that the reference, a JSON Schema, allows; references to other
  documents are not followed.
- `f1`: the overlap of words, without case, punctuation and English articles, as SQuAD is scored (Rajpurkar et al. 2016).
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import polars as pl

from evaluation.lines import first_line

_NUMBER = re.compile(r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?\s*%?|[-+−]?\.\d+\s*%?")
_OPTION = re.compile(r"\(([A-J])\)|\b(?:answer|option|choice)\b(?:\s+is)?\s*:?\s*\**\(?([A-J])\b", re.IGNORECASE)
_BARE_OPTION = re.compile(r"\W*([A-Ja-j])(?:[.):]\s.*|\W*)", re.DOTALL)
_FENCED = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
_SIGNIFICANT = 1e-9


def exact(output: str, reference: str) -> float:
    """1 when both texts are equal after `normalise`, and not empty."""
    return float(bool(normalise(output)) and normalise(output) == normalise(reference))


def normalise(text: str) -> str:
    """The text that `exact` compares.

    Unicode NFKC, the first line of substance (`lines.py`), without quotes and backticks around it or a final full stop;
    whitespace runs become one space, and none stands beside brackets, commas, colons or bars (`dict[str,int]`).
    Case counts.
    """
    line = first_line(unicodedata.normalize("NFKC", text)).removesuffix(".").strip("`'\" \t")
    return re.sub(r"\s*([\[\](){},:|])\s*", r"\1", re.sub(r"\s+", " ", line))


def numeric(output: str, reference: str) -> float:
    """1 when the last numbers of both texts are equal. Raises ValueError for a reference without a number."""
    given, wanted = _last_number(output), _last_number(reference)
    if wanted is None:
        raise ValueError(f"the reference {reference!r} has no number")
    return float(given is not None and math.isclose(given, wanted, rel_tol=_SIGNIFICANT))


def choice(output: str, reference: str) -> float:
    """1 when both texts name the same option. Raises ValueError for a reference that names none."""
    wanted = _option(reference)
    if wanted is None:
        raise ValueError(f"the reference {reference!r} names no option from A to J")
    return float(_option(output) == wanted)


def pattern(output: str, reference: str) -> float:
    """1 when the whole answer matches. Raises ValueError for a reference that is no regular expression."""
    whole = pl.Series([output.strip()])
    try:
        return float(whole.str.contains(rf"\A(?:{reference})\z")[0])
    except pl.exceptions.ComputeError as error:
        raise ValueError(f"the reference {reference!r} is no regular expression: {error}") from error


def json_value(output: str, reference: str) -> float:
    """1 when both are one JSON value. Raises ValueError for a reference that is not JSON."""
    wanted = _canonical(_wanted(reference))
    found, given = _json(output)
    return float(found and _canonical(given) == wanted)


def schema(output: str, reference: str) -> float:
    """1 when the answer is JSON that the schema allows. Raises ValueError for a reference that is no JSON Schema."""
    from jsonschema import SchemaError, validators
    from referencing import Registry

    wanted = _wanted(reference)
    validator = validators.validator_for(wanted, default=validators.Draft202012Validator)
    try:
        validator.check_schema(wanted)
    except SchemaError as error:
        raise ValueError(f"the reference is no JSON Schema: {error.message}") from error
    found, given = _json(output)
    return float(found and validator(wanted, registry=Registry()).is_valid(given))


def f1(output: str, reference: str) -> float:
    """The harmonic mean of precision and recall over words; two empty texts are equal."""
    given, wanted = _words(output), _words(reference)
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted))


CHECKERS: dict[str, tuple[str, Callable[[str, str], float]]] = {
    "exact": ("exact_match", exact),
    "numeric": ("numeric_match", numeric),
    "choice": ("choice_match", choice),
    "pattern": ("pattern_match", pattern),
    "json": ("json_match", json_value),
    "schema": ("schema_match", schema),
    "f1": ("token_f1", f1),
}
"""Of each checker that only compares the metric that it gives, and its function."""

UNIT_TEST = "unit_test"
METRIC_OF = {**{checker: metric for checker, (metric, _) in CHECKERS.items()}, UNIT_TEST: "unit_test_pass"}
"""The metric of each checker, of that one too which runs answers."""


def fault_of(checker: str, reference: str, runs: bool = False) -> str | None:
    """Why no answer can be checked so, if none can: there is no such checker, or the reference is none for it.

    `runs` says whether answers may be run. Whether a reference holds tests is found out where they are run.
    """
    if checker == UNIT_TEST:
        return None if runs else "checker unit_test: answers are run only where headwater.yaml says `unit_tests: on`"
    if checker not in CHECKERS:
        return f"there is no checker {checker!r}; there are {', '.join(METRIC_OF)}"
    try:
        CHECKERS[checker][1]("", reference)
    except ValueError as error:
        return f"checker {checker}: {error}"
    return None


def _last_number(text: str) -> float | None:
    found = _NUMBER.findall(unicodedata.normalize("NFKC", text).replace("⁄", "/"))
    if not found:
        return None
    plain = re.sub(r"[,\s]", "", found[-1]).replace("−", "-")
    digits, percent = plain.rstrip("%"), plain.endswith("%")
    over, _, under = digits.partition("/")
    try:
        value = Fraction(over) / Fraction(under or "1")
    except ZeroDivisionError:
        return None
    return float(value / 100 if percent else value)


def _option(text: str) -> str | None:
    bare = _BARE_OPTION.fullmatch(text.strip())
    if bare:
        return bare[1].upper()
    named = [first or second for first, second in _OPTION.findall(text)]
    return named[-1].upper() if named else None


def _json(text: str) -> tuple[bool, Any]:
    """Whether there is a JSON value, and it; that of the first code block where the text itself is none."""
    fenced = _FENCED.search(text)
    for part in (text, fenced[1] if fenced else ""):
        try:
            return True, json.loads(part)
        except (ValueError, RecursionError):
            continue
    return False, None


def _wanted(reference: str) -> Any:
    try:
        return json.loads(reference)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the reference is not JSON: {error}") from error


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _words(text: str) -> list[str]:
    plain = "".join(" " if unicodedata.category(sign)[0] == "P" else sign for sign in text.casefold())
    return [word for word in plain.split() if word not in {"a", "an", "the"}]
