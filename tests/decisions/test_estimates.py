"""The interval of a figure keeps its word if rows of one unit are alike."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from regrow.decisions.estimates import LEAST_UNITS, Estimate, estimate, even_units
from regrow.decisions.units import Units, single_rows
from regrow.models.metrics import Floats
from regrow.project import Metric, Unit

CLASSES = (0, 1)


def drawn(random: np.random.Generator, days: int, per_day: int = 20) -> tuple[np.ndarray, list[Floats]]:
    """Draw a number for each row, and two predictions that are equally good, one day this, one day that better."""
    which = np.repeat(np.arange(days), per_day)
    shared = random.normal(size=(2, days))[:, which]
    sides = [0.7 * side + 0.7 * random.normal(size=len(which)) for side in shared]
    return np.zeros(len(which)), sides


def share_proven(days: int, *, by_day: bool, runs: int = 400) -> float:
    """Return in how many of *runs* the second of two equal models is proven better at 95 %."""
    random, proven = np.random.default_rng(days), 0
    units = Units(np.repeat(np.arange(days), 20), "day") if by_day else single_rows(days * 20)
    for _ in range(runs):
        target, sides = drawn(random, days)
        found = estimate("rmse", target, sides, (), units)
        assert isinstance(found, Estimate)
        proven += -found.figure > found.radius(0.95)
    return proven / runs


@pytest.mark.parametrize("days", [10, 18, 60])
def test_equal_models_are_proven_better_as_seldom_as_stated(days: int) -> None:
    """By day one in twenty equal models is proven better, by row one in four: a day's rows share what it was like."""
    assert share_proven(days, by_day=True) < 0.08
    assert share_proven(days, by_day=False) > 0.2


def test_effective_rows_are_what_independent_rows_would_take() -> None:
    """Ten copies of each row are worth the rows; rows that share nothing are worth themselves."""
    random = np.random.default_rng(0)
    target = np.repeat(random.normal(size=400), 10)
    units = Units(np.repeat(np.arange(400), 10), "entity")
    copies = estimate("mae", target, [np.zeros(4000)], (), units)
    alone = estimate("mae", random.normal(size=4000), [np.zeros(4000)], (), units)
    assert isinstance(copies, Estimate)
    assert isinstance(alone, Estimate)
    assert copies.effective == pytest.approx(400, rel=0.01)
    assert alone.effective == pytest.approx(4000, rel=0.2)
    assert copies.counted.startswith("4,000 rows of 400 entities, worth 399")
    balanced = replace(copies, effective=4100.0)
    assert balanced.counted == "4,000 rows of 400 entities, worth as many independent ones"


def test_a_bound_is_students() -> None:
    """With single rows the radius is that of the mean of as many rows, by Student's t."""
    values = np.random.default_rng(0).random(25)
    found = estimate("mae", values, [np.zeros(25)], (), single_rows(25))
    assert isinstance(found, Estimate)
    expected = student.ppf(0.95, 24) * values.std(ddof=1) / 5
    assert found.radius(0.95) == pytest.approx(expected)
    assert found.doubt(found.radius(0.95)) == pytest.approx(0.05)


@pytest.mark.parametrize("metric", ["roc_auc", "f1"])
def test_few_units_and_few_of_a_class_are_said_not_estimated(metric: Metric) -> None:
    """Nine days, one day with nearly all rows, or a class on five days: the words say what is missing."""
    target = np.arange(400) % 2
    prediction = np.column_stack([0.9 - 0.8 * target, 0.1 + 0.8 * target]).astype(np.float64)
    nine = estimate(metric, target, [prediction], CLASSES, Units(np.arange(400) % 9, "day"))
    assert nine == f"9 days of {LEAST_UNITS} that it takes"
    one = Units(np.maximum(np.arange(400) - 380, 0), "entity")
    assert estimate(metric, target, [prediction], CLASSES, one) == (
        "20 entities, of which one or a few hold nearly all rows"
    )
    rare = (np.arange(400) % 80 == 0).astype(int)
    assert estimate(metric, rare, [prediction], CLASSES, Units(np.arange(400) // 20, "day")) == (
        "the rarest class stands in 5 days of 10 that it takes"
    )


def test_unequal_units_leave_fewer_degrees_of_freedom() -> None:
    """Units of one size count each; a few large ones count as few."""
    assert even_units(Units(np.repeat(np.arange(12), 5), "day")) == pytest.approx(12)
    large = Units(np.repeat(np.arange(11), [100, *[1] * 10]), "entity")
    assert even_units(large) < 1.3


def check_order(seed: int, metric: Metric, codes: np.ndarray, unit: Unit) -> None:
    """Estimate *metric* on 60 rows in two orders."""
    random = np.random.default_rng(seed)
    target, positive = np.arange(60) % 2, random.random(60)  # Each day has both classes, whatever the seed.
    prediction, order = np.column_stack([1 - positive, positive]), random.permutation(60)
    units = Units(codes, unit)
    one = estimate(metric, target, [prediction], CLASSES, units)
    other = estimate(metric, target[order], [prediction[order]], CLASSES, units.take(order))
    assert isinstance(one, Estimate)
    assert isinstance(other, Estimate)
    assert (other.figure, other.error) == pytest.approx((one.figure, one.error))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), metric=st.sampled_from(["roc_auc", "log_loss"]))
def test_row_order_does_not_matter(seed: int, metric: Metric) -> None:
    """The figure and its error are the same in any order of the rows."""
    check_order(seed, metric, np.arange(60) // 5, "day")
    check_order(seed, metric, np.arange(60), "row")


def test_the_groups_of_a_jackknife_do_not_follow_the_order_of_the_rows() -> None:
    """The same for a metric without a closed form."""
    check_order(3, "f1", np.arange(60), "row")
