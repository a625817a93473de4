"""What windows of the past show of chance."""

import numpy as np
import pandas as pd
import pytest

from regrow.decisions.distances import Distances, measure_distances
from regrow.decisions.past import Past
from regrow.decisions.units import Units, single_rows

WEATHER = np.random.default_rng(0).normal(size=1000)


def days(first: int, count: int, rows: int = 40, shift: float = 0.0) -> tuple[pd.DataFrame, Units]:
    """Draw *rows* rows of each of *count* days: most of what they are is the day's own weather."""
    random = np.random.default_rng(first)
    codes = np.repeat(np.arange(count), rows)
    values = WEATHER[first + codes] + 0.3 * random.normal(size=len(codes)) + shift
    return pd.DataFrame({"n": values}), Units(codes, "day")


def doubt(past: Past, distances: Distances) -> float:
    return past.doubt(distances.columns["n"], distances.values["n"], distances.method)


@pytest.mark.parametrize("method", ["psi", "jensenshannon"])
def test_days_that_are_alike_leave_doubt_and_a_shift_leaves_none(method):
    """Windows of a world that stays differ by their weather alone; one that moved is told from them."""
    doubts = []
    for first in range(0, 1000, 100):
        reference, units = days(first, 70)
        window, served = days(first + 70, 14)
        distances = measure_distances(reference, window, method, {"n": 0.2})
        doubts.append(doubt(Past(units, served), distances))
    assert min(doubts) > 0.01
    moved, served = days(70, 14, shift=2.5)
    reference, units = days(0, 70)
    assert doubt(Past(units, served), measure_distances(reference, moved, method, {"n": 0.2})) < 1e-4


def test_without_units_the_same_windows_look_far():
    """The floor knows no weather: what chance of days does it takes for drift. So it is named a floor."""
    reference, _ = days(0, 70)
    window, _ = days(70, 14)
    past = Past(None, None)
    assert doubt(past, measure_distances(reference, window, "psi", {"n": 0.2})) < 1e-3
    assert past.obstacle == "the units of the reference are not known"


@pytest.mark.parametrize(
    ("past_days", "told"),
    [(9, "the reference has 9 days of 10"), (20, "a window of 14 days is longer than half")],
)
def test_a_short_past_gives_a_floor_and_says_why(past_days, told):
    """Of too few days no windows can be drawn; of ten or more the floor still knows how alike rows of a day are."""
    reference, units = days(0, past_days)
    window, served = days(70, 14)
    past = Past(units, served)
    assert past.obstacle.startswith(told)
    distances = measure_distances(reference, window, "psi", {"n": 0.2})
    worth = doubt(past, distances)
    assert (worth > 1e3 * doubt(Past(None, None), distances)) == (past_days > 9)


def test_a_small_window_is_held_against_small_windows():
    """Two hundred rows differ from a reference of thousands by chance; drawn windows are as small."""
    random = np.random.default_rng(3)
    reference, window = (pd.DataFrame({"n": random.normal(size=rows)}) for rows in (20_000, 200))
    past = Past(single_rows(20_000), single_rows(200))
    doubts = []
    for seed in range(20):
        window = pd.DataFrame({"n": np.random.default_rng(seed).normal(size=200)})
        doubts.append(doubt(past, measure_distances(reference, window, "psi", {"n": 0.2})))
    assert 0.2 < np.mean(doubts) < 0.8
    assert min(doubts) > 1e-3


def test_row_order_changes_nothing():
    """The doubt does not depend on the order of the rows."""
    reference, units = days(0, 30)
    window, served = days(70, 7)
    order = np.random.default_rng(0).permutation(len(reference))
    straight = doubt(Past(units, served), measure_distances(reference, window, "psi", {"n": 0.2}))
    shuffled = measure_distances(reference.iloc[order], window, "psi", {"n": 0.2})
    assert doubt(Past(Units(units.codes[order], "day"), served), shuffled) == pytest.approx(straight)


def test_a_column_that_never_moved_moves_for_sure():
    """Of a constant column the past shows no distance at all: any is beyond it."""
    reference, window = pd.DataFrame({"n": [1.0] * 400}), pd.DataFrame({"n": [2.0] * 100})
    past = Past(Units(np.repeat(np.arange(40), 10), "day"), Units(np.repeat(np.arange(10), 10), "day"))
    assert doubt(past, measure_distances(reference, window, "psi", {"n": 0.2})) == 0.0
    assert doubt(past, measure_distances(reference, reference[:100], "psi", {"n": 0.2})) == 1.0
