"""What goes wrong between Headwater and Label Studio, said so that a person can mend it.

A message names the thing (which server, project or setting), the place and the mend. It never holds text of a task or
of an answer: errors end in logs and in Dagster's database, and the data must not.
"""

from __future__ import annotations


class LabelStudioError(RuntimeError):
    """Label Studio could not be made, started, reached or understood; the message says what to do."""


class Unreachable(LabelStudioError):
    """No answer came: the server is down, slow, or the connection was cut. What was asked may or may not have been done."""


class Refused(LabelStudioError):
    """The server answered, and said no. `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
