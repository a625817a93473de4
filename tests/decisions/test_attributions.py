"""Whether predictions still come from the same columns."""

import numpy as np
import pytest

from regrow.decisions.attributions import Reordered, compare_attributions, judge_attributions, likeness
from regrow.decisions.units import Units
from regrow.project.monitoring import AttributionRule

RULE = AttributionRule()
COLUMNS = ["a", "b", "c", "d"]
ORDER = np.array([4.0, 2.0, 1.0, 0.5])


def side(seed: int, days: int, order: np.ndarray) -> tuple[np.ndarray, Units]:
    """Draw contributions of 20 rows on each of *days*, about *order*, with much of the day in them."""
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(days), 20)
    weather = random.gamma(2.0, 0.5, size=(days, len(order)))
    return order * weather[codes] * random.gamma(4.0, 0.25, size=(len(codes), len(order))), Units(
        codes, "day"
    )


def look(seed: int, order: np.ndarray) -> Reordered:
    """Return what changed from forty days to the month after."""
    reference, units = side(seed, 40, ORDER)
    window, served = side(seed + 1000, 31, order)
    found = compare_attributions(COLUMNS, reference, window, units, served)
    assert isinstance(found, Reordered)
    return found


def test_the_likeness_is_that_of_its_formula() -> None:
    """By hand: two columns that change places; the same order is 1, and so is that of nothing at all."""
    discount = 1 / np.log2([2, 3])
    swapped = (1 * discount[0] + 3 * discount[1]) / (3 * discount[0] + 1 * discount[1])
    assert likeness(np.array([3.0, 1.0]), np.array([1.0, 2.0])) == pytest.approx(swapped)
    assert likeness(np.array([3.0, 1.0]), np.array([9.0, 2.0])) == pytest.approx(1.0)
    assert likeness(np.zeros(2), np.ones(2)) == 1.0


def test_predictions_that_come_from_another_column_are_found() -> None:
    """If the last column comes to decide, the order is not alike any more, and the columns are named with shares."""
    found = look(0, ORDER[::-1])
    assert found.likeness < 0.9 and found.doubt < 0.01
    finding = judge_attributions(found, 0.05, 500, RULE)
    assert finding.failed and finding.noted
    assert ": a 53%, now " in finding.detail or "d 7%, now " in finding.detail


def test_the_level_holds() -> None:
    """Of 100 months in which nothing changes but the days, 5 at most are taken for a change, and chance."""
    found = sum(look(seed, ORDER).doubt <= 0.05 for seed in range(100))
    assert found <= 11


def test_a_small_change_of_order_is_no_finding() -> None:
    """Two columns of nearly equal weight that change places leave the order alike: that is no drift."""
    near = np.array([4.0, 2.0, 1.0, 1.1])
    assert judge_attributions(look(0, near), 0.99, 500, RULE).passed


def test_a_level_that_chance_cannot_be_known_for_concludes_nothing() -> None:
    """A thousand divisions of the units know nothing of one in ten thousand, and it says so."""
    finding = judge_attributions(look(0, ORDER[::-1]), 1e-4, 500, RULE)
    assert finding.undecided
    assert finding.detail == "1000 divisions of the units cannot prove a level of 0.00010"


def test_too_few_units_conclude_nothing() -> None:
    """Nine days are too few to know chance, whatever moved."""
    reference, units = side(0, 40, ORDER)
    window, served = side(1, 9, ORDER[::-1])
    told = compare_attributions(COLUMNS, reference, window, units, served)
    assert told == "9 days of 10 that it takes"
    assert judge_attributions(told, 0.05, 0, RULE).undecided
