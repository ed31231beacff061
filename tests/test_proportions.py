"""The interval of a share, against published values."""

import pytest

from proportions import wilson


def test_wilson_against_published_values():
    """Newcombe 1998, table I, method 3."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(1, 29) == pytest.approx((0.8830, 1.0), abs=1e-4)
