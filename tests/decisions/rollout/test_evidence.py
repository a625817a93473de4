"""Which rows count as answered, and as known."""

from dataclasses import replace

import numpy as np

from regrow.decisions.rollout.evidence import Answers, Pairs, answered, complete
from regrow.decisions.units import Units

NAN = np.nan


def test_a_row_is_answered_if_all_of_it_is_finite() -> None:
    """One class without a number spoils its row; a number is answered unless it is none."""
    assert answered(np.array([[0.2, 0.8], [NAN, 0.5], [np.inf, 0.0]])).tolist() == [True, False, False]
    assert answered(np.array([1.0, NAN, -np.inf])).tolist() == [True, False, False]


def test_matured_rows_have_a_label() -> None:
    """Rows without one are left out, their entities and units with them; one on which the version failed stays."""
    mine = Answers(
        np.array([1.0, NAN, 3.0]),
        np.array([1.0, 2.0, 3.0]),
        np.array([True, True, False]),
        np.array(list("abc")),
        unit="day",
        units=np.array([7, 8, 8]),
    )
    kept = mine.matured()
    assert kept.target.tolist() == [1.0, 2.0]
    assert complete(kept.prediction, kept.target, 0).tolist() == [1.0, 1.5]
    assert kept.entities is not None
    assert kept.entities.tolist() == ["a", "b"]
    assert (kept.unit, kept.units is not None and kept.units.tolist()) == ("day", [7, 8])


def test_pairs_are_judged_once_they_are_labelled_and_their_unit_is_over() -> None:
    """A row on which one version failed is judged, one without a label or of a day that goes on is not."""
    labelled = np.array([True, True, True, False])
    pairs = Pairs(np.array([1.0, NAN, 3.0, 4.0]), np.array([5.0, 6.0, NAN, 8.0]), np.arange(4.0), labelled)
    assert pairs.both_answered.tolist() == [True, False, False, True]
    assert (pairs.judged.tolist(), pairs.judged_units.count) == (labelled.tolist(), 3)
    days = replace(
        pairs, units=Units(np.array([0, 0, 1, 1]), "day"), settled=np.array([True, True, False, False])
    )
    assert (days.judged.tolist(), days.judged_units.named) == ([True, True, False, False], "1 day")
