"""What is wrong with a task file."""


class TaskError(ValueError):
    """A task cannot be asked; the message names the file, the line where there is one, and the mend."""
