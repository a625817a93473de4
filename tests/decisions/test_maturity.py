"""How old rows must be for nearly all of their labels to have come."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.decisions.maturity import are_late, open_below


def test_one_delay_is_where_labels_begin() -> None:
    """If labels come after 45 days, rows of 44 days are the oldest that wait, whatever share is asked for."""
    ages = np.repeat(np.arange(300.0), 50)
    for share in (0.5, 0.9, 1.0):
        assert open_below(ages, ages >= 45, share) == 44
    assert open_below(ages, ages >= 0, 0.9) == 0
    assert open_below(ages, ages < 0, 0.9) is None
    assert open_below(np.array([]), np.array([], dtype=bool), 0.9) is None


@pytest.mark.parametrize("coverage", [1.0, 0.5])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_labels_that_trickle_in_are_waited_for(share: float, coverage: float) -> None:
    """Of lags of 0 to 60 days the share has come by its part of 60 days, however few rows ever get a label."""
    random = np.random.default_rng(0)
    ages = random.uniform(0, 600, 40_000)
    labelled = (random.uniform(0, 60, len(ages)) <= ages) & (random.random(len(ages)) < coverage)
    found = open_below(ages, labelled, share)
    assert found == pytest.approx(60 * share, abs=10)


def test_some_rows_that_never_get_a_label_hold_nothing_up() -> None:
    """If half of the rows, of any age, have a label, hardly any row is waited for, and chance does not change that."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        ages = random.uniform(0, 100, 1_000)
        found = open_below(ages, random.random(1_000) < 0.5, 0.9)
        assert found is not None
        assert found < 15


def test_labels_that_were_brought_at_once_are_there() -> None:
    """History that is labelled in one go has matured, and that older rows never were labelled does not matter."""
    ages = np.repeat(np.arange(400.0), 50)
    assert open_below(ages, ages >= 0, 0.9) == 0
    assert open_below(ages, (ages >= 20) & (ages < 300), 0.9) == 19


ROWS = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=40)


@given(ROWS, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_greater_share_waits_no_less(rows: list[tuple[int, bool]], one: float, other: float) -> None:
    """The age grows with the share, is that of a row, and does not depend on the rows' order."""
    ages, labelled = np.array([float(age) for age, _ in rows]), np.array([has for _, has in rows])
    low, high = (open_below(ages, labelled, share) for share in sorted((one, other)))
    if low is None or high is None:
        assert not labelled.any()
        return
    assert low <= high
    assert high in {0.0, *ages}
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    assert open_below(ages[order], labelled[order], one) == open_below(ages, labelled, one)


@pytest.mark.parametrize(
    ("labels", "unlabelled", "earlier", "waited", "late"),
    [
        (90, 10, 300, 0, False),
        (0, 100, 300, 0, True),
        (0, 100, 0, 0, False),
        (0, 0, 300, 0, False),
        (90, 10, 300, 6, False),
        (90, 10, 300, 8, True),
        (0, 0, 0, 30, False),
    ],
)
def test_labels_that_used_to_come_and_stopped_are_late(
    labels: int, unlabelled: int, earlier: int, waited: int, late: bool
) -> None:
    """None in a window that should have them, or it lies further back than its length; not if none ever came."""
    day = timedelta(days=1)
    assert are_late(labels, unlabelled, earlier, waited * day, 7 * day) is late
