"""What holds for all tests.

No test is timed: how long a case takes says more of the machine than of the code. No case is named by bytes: several processes
run the tests and must find the same names, and compressed bytes hold a clock.

Property tests draw new examples at each run, which finds what nobody thought of, at a time that nobody chose. Where the
same tree must give the same answer twice (.ci/run), `HYPOTHESIS_PROFILE=repeatable` has them draw as many, and the same.
"""

import os

import pytest
from hypothesis import settings

LONG_SECONDS = 7200
"""What a test that is marked `long` may take: a real model learns in some."""

settings.register_profile("untimed", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "untimed"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A long test is stopped late."""
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_SECONDS))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Who runs what, where several processes run the tests."""
    from tests.sharing import Sharing

    return Sharing(config, log)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """The argument's name for a case of bytes, which pytest numbers; pytest's own for all others."""
    return argname if isinstance(val, bytes) else None
