"""Which samples cost a person's time: open or closed, which first and why, and what each person is shown."""

from annotation.routing.feedback import FEEDBACK, feedback_table
from annotation.routing.gold import GOLD, gold_questions
from annotation.routing.openness import DECISIONS, decide_openness
from annotation.routing.selection import choose_samples, waiting_samples
from annotation.routing.tasks import TASK_SCHEMA, draft_pairs, prompt_text, tasks_of

__all__ = [
    "DECISIONS",
    "FEEDBACK",
    "GOLD",
    "TASK_SCHEMA",
    "choose_samples",
    "decide_openness",
    "draft_pairs",
    "feedback_table",
    "gold_questions",
    "prompt_text",
    "tasks_of",
    "waiting_samples",
]
