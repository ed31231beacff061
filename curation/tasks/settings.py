"""What the `task:` section of `headwater.yaml` holds: what a sample is, and how an answer to it is checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from records import CHECKERS

RECIPES = ("docstrings", "chat", "qa", "completion")
"""The built-in recipes; any other name is `package.module:function`, one's own."""

OWN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")

PARTS = ("question", "answer", "context", "system")
"""What a column of a record can be."""

PROMPT_CHARS = {"docstrings": 600, "completion": 600}
"""Default `max_chars` by recipe (others: 4,000). Short where a small model is to train in minutes without a GPU."""


@dataclass(frozen=True)
class TaskSettings:
    """How samples are made. Raises ValueError for a recipe that is neither built in nor `package.module:function`."""

    # docstrings, chat, qa, completion, or package.module:function for one's own
    recipe: str
    # the task's name, which enters sample_id; the recipe when empty
    name: str = ""
    # qa: which column of a record is the question, answer, context, system (inferred when absent)
    columns: dict[str, str] = field(default_factory=dict)
    # "open" (people and open-ended metrics judge), the checker of closed-ended answers, or "auto": each sample by its reference
    checker: str = "open"
    # longest prompt in characters, all messages together; None: 600 for docstrings and completion, else 4,000
    max_chars: int | None = None
    # completion: longest reference in characters
    reference_chars: int = 200
    # components of the locator that name the group; 0: each document is one; None: 1 for docstrings, else 0
    group_depth: int | None = None

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES and not OWN.fullmatch(self.recipe):
            raise ValueError(
                f"task.recipe: {self.recipe!r} is none of {', '.join(RECIPES)}; "
                "write one of these, or package.module:function for a function of your own"
            )
        if unknown := sorted(set(self.columns) - {*PARTS}):
            raise ValueError(f"task.columns: there is no {unknown[0]!r}; name the column of {', '.join(PARTS)}")
        if self.columns and self.recipe != "qa":
            raise ValueError(f"task.columns does nothing for the recipe {self.recipe}: it is for qa; remove it")
        if self.checker not in ("open", "auto", *CHECKERS):
            raise ValueError(f"task.checker: there is no {self.checker!r}; write open, auto, {', '.join(CHECKERS)}")
        for name, least in (("max_chars", 1), ("reference_chars", 1), ("group_depth", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"task.{name}: {value} is too small; write {least} or more")

    @property
    def records(self) -> tuple[tuple[str, ...], ...]:
        """The columns for the question and the answer that are named, if any: a row that has all of them is a record."""
        named = tuple(self.columns[part] for part in PARTS[:2] if part in self.columns)
        return (named,) if named else ()

    @property
    def task(self) -> str:
        """The name that enters `sample_id`."""
        return self.name or self.recipe

    @property
    def prompt_chars(self) -> int:
        """The prompt's limit in force."""
        return PROMPT_CHARS.get(self.recipe, 4000) if self.max_chars is None else self.max_chars

    @property
    def depth(self) -> int:
        """The group's depth in force."""
        return int(self.recipe == "docstrings") if self.group_depth is None else self.group_depth
