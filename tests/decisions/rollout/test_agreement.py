"""What champion and challenger say to the same rows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.decisions.rollout.agreement import judge_disagreement, judge_shift
from regrow.decisions.rollout.evidence import Pairs


def pairs(champion: np.ndarray, challenger: np.ndarray) -> Pairs:
    return Pairs(champion, challenger, champion, np.zeros(len(champion), dtype=np.bool_))


def probabilities(positive: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - positive, positive])


def drawn(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(rows)


def test_disagreement_is_of_decisions_not_of_probabilities() -> None:
    """Probabilities on the same side of a half decide alike; turned round, all decide otherwise."""
    positive = drawn(500)
    sharper = np.where(positive > 0.5, 0.99, 0.01)
    assert judge_disagreement(pairs(probabilities(positive), probabilities(sharper)), 0.1, 0.01).figure == 0
    turned = judge_disagreement(pairs(probabilities(positive), probabilities(1 - positive)), 0.1, 0.01)
    assert (turned.figure, turned.result) == (1, "fail")


@pytest.mark.parametrize("judge", [judge_disagreement, judge_shift])
def test_few_rows_are_undecided(judge) -> None:
    """Rows so few that even opposite answers would prove nothing leave the limit undecided; many keep it."""
    for rows, result in ((0, "undecided"), (3, "undecided"), (5_000, "pass")):
        both = probabilities(drawn(rows))
        assert judge(pairs(both, both), 0.5, 0.001).result == result


@settings(max_examples=40, deadline=None)
@given(moved=st.floats(0, 1), rows=st.integers(2, 300))
def test_a_shift_is_the_greatest_distance_of_the_shares(moved: float, rows: int) -> None:
    """The distance is that of the definition: the greatest difference of the shares below any value."""
    one, other = drawn(rows), drawn(rows, 1) * (1 - moved) + moved
    at = np.concatenate([one, other])
    defined = max(abs((one <= value).mean() - (other <= value).mean()) for value in at)
    assert judge_shift(pairs(one, other), 0.5, 0.01).figure == pytest.approx(defined)


def test_of_several_classes_the_farthest_is_judged() -> None:
    """A class whose probabilities moved is found, though those of another did not."""
    share = drawn(2_000)
    champion = np.column_stack([np.full(2_000, 0.2), 0.8 * share, 0.8 * (1 - share)])
    challenger = np.column_stack([np.full(2_000, 0.2), 0.4 * share, 0.8 - 0.4 * share])
    assert judge_shift(pairs(champion, challenger), 0.3, 0.01).failed


def test_each_version_decides_by_its_own_threshold() -> None:
    """The same probabilities decide otherwise by another threshold, and alike by the same one."""
    positive = probabilities(np.array([0.1, 0.3, 0.6, 0.9]))
    same = replace(pairs(positive, positive), thresholds=(0.25, 0.25))
    other = replace(pairs(positive, positive), thresholds=(0.25, None))
    assert judge_disagreement(same, 0.1, 0.01).figure == 0
    assert judge_disagreement(other, 0.1, 0.01).figure == 0.25
