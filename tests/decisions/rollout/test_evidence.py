"""Which rows count as answered, and as known."""

import numpy as np

from regrow.decisions.rollout.evidence import Answers, Pairs, answered

NAN = np.nan


def test_a_row_is_answered_if_all_of_it_is_finite() -> None:
    """One class without a number spoils its row; a number is answered unless it is none."""
    assert answered(np.array([[0.2, 0.8], [NAN, 0.5], [np.inf, 0.0]])).tolist() == [True, False, False]
    assert answered(np.array([1.0, NAN, -np.inf])).tolist() == [True, False, False]


def test_matured_rows_have_a_label_and_an_answer() -> None:
    """Rows without one of the two are left out, their entities with them."""
    mine = Answers(
        np.array([1.0, NAN, 3.0]),
        np.array([1.0, 2.0, 3.0]),
        np.array([True, True, False]),
        np.array(list("abc")),
    )
    kept = mine.matured()
    assert (kept.prediction.tolist(), kept.target.tolist()) == ([1.0], [1.0])
    assert kept.entities is not None
    assert kept.entities.tolist() == ["a"]


def test_pairs_keep_what_both_answered() -> None:
    """Champion and challenger keep the same labelled rows, each with its own answers."""
    labelled = np.array([True, True, True, False])
    pairs = Pairs(np.array([1.0, NAN, 3.0, 4.0]), np.array([5.0, 6.0, NAN, 8.0]), np.arange(4.0), labelled)
    champion, challenger = pairs.matured()
    assert (champion.prediction.tolist(), challenger.prediction.tolist()) == ([1.0], [5.0])
    assert champion.target.tolist() == challenger.target.tolist() == [0.0]
