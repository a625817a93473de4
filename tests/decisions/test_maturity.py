"""How old rows must be for nearly all of their labels to have come."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.decisions.maturity import maturity_age

DAY = 86_400.0


def seen(lags: np.ndarray, ages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep the rows whose label has come."""
    return lags[lags <= ages], ages[lags <= ages]


def test_one_delay_is_the_age() -> None:
    """Labels that all come after 45 days are there at 45 days, whatever share is asked for; without any, none is."""
    lags, ages = seen(np.full(300, 45 * DAY), np.arange(300) * DAY)
    for share in (0.5, 0.9, 1.0):
        assert maturity_age(lags, ages, share) == timedelta(days=45)
    assert maturity_age(np.array([]), np.array([]), 0.9) is None


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_young_rows_do_not_make_labels_look_quick(share: float) -> None:
    """Of lags of 0 to 60 days the share comes by its part of 60 days, though most rows are too young for the slow."""
    random = np.random.default_rng(0)
    ages = np.concatenate([random.uniform(0, 20, 40_000), random.uniform(20, 90, 4_000)]) * DAY
    lags, ages = seen(random.uniform(0, 60 * DAY, len(ages)), ages)
    found = maturity_age(lags, ages, share)
    assert found is not None
    assert found / timedelta(days=60) == pytest.approx(share, abs=0.05)
    assert np.quantile(lags, share) < found.total_seconds(), "the plain quantile falls short"


LAGS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=40)


@given(LAGS, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_greater_share_takes_no_less_time(pairs: list[tuple[int, int]], one: float, other: float) -> None:
    """The age grows with the share, is one of the lags that were seen, and does not depend on the rows' order."""
    lags = np.array([float(lag) for lag, _ in pairs])
    ages = lags + [float(more) for _, more in pairs]
    low, high = (maturity_age(lags, ages, share) for share in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert low <= high
    assert high.total_seconds() in lags
    assert maturity_age(lags[::-1], ages[::-1], one) == maturity_age(lags, ages, one)
