"""What holds for all tests.

No test is timed: how long a case takes says more of the machine than of the code. No case is named by bytes: two processes
run the tests and must find the same names, and compressed bytes hold a clock.
"""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """The argument's name for a case of bytes, which pytest numbers; pytest's own for all others."""
    return argname if isinstance(val, bytes) else None
