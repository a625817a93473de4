"""A split that is not as it should be is found, one that is stays unsuspected."""

import numpy as np
import pytest

from regrow.decisions.rollout.evidence import SampleRatio
from regrow.decisions.rollout.sample_ratio import judge_sample_ratio


@pytest.mark.parametrize(
    ("weight", "entities", "challengers", "result"),
    [
        (0.5, 0, 0, "undecided"),
        (0.5, 5, 5, "undecided"),
        (0.5, 1_000, 520, "pass"),
        (0.5, 1_000, 0, "fail"),
        (0.5, 20_000, 10_500, "fail"),
        (0.05, 10_000, 350, "fail"),
        (0.05, 10_000, 520, "pass"),
    ],
)
def test_a_split_is_judged_by_how_many_are_the_challengers(
    weight: float, entities: int, challengers: int, result: str
) -> None:
    """Few entities tell nothing; a share that chance does not explain is a broken split, too many as too few."""
    found = judge_sample_ratio(SampleRatio(weight, entities, challengers), 1)
    assert found.result == result
    assert found.detail.startswith("broken split") == (result == "fail")


def test_a_fair_split_is_not_called_broken_at_any_look() -> None:
    """Of 50 fair splits, looked at ten times within 500 entities, none is called broken at 1 in 1,000."""
    worst = 0
    for run in range(50):
        mine = np.cumsum(np.random.default_rng(run).random(500) < 0.2)
        worst += any(
            judge_sample_ratio(SampleRatio(0.2, n, int(mine[n - 1])), 1).failed for n in range(50, 501, 50)
        )
    assert worst <= 1  # At 1 in 1,000 more than this is 1 in 800.


def test_each_stage_has_its_part_of_the_doubt() -> None:
    """Three stages share what one alone may err."""
    alone, third = (judge_sample_ratio(SampleRatio(0.5, 10, 5), stages).confidence for stages in (1, 3))
    assert alone is not None
    assert third is not None
    assert 1 - alone == pytest.approx(3 * (1 - third))
