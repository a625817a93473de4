"""How a challenger runs, judged against its champion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.decisions.rollout.evidence import Arm, Pairs
from regrow.decisions.rollout.operations import judge_failures, judge_latency, judge_paired_failures

NONE = np.empty(0)


def arm(rows: int, failures: int = 0) -> Arm:
    return Arm(rows, failures, NONE)


def pairs(rows: int, champion_failed: int = 0, challenger_failed: int = 0) -> Pairs:
    """Return regressions of which the first rows failed on one side, the last on the other."""
    champion, challenger = np.zeros(rows), np.zeros(rows)
    champion[rows - champion_failed :] = np.nan
    challenger[:challenger_failed] = np.nan
    return Pairs(champion, challenger, np.zeros(rows), np.ones(rows, dtype=np.bool_))


@pytest.mark.parametrize("shadow", [True, False])
@pytest.mark.parametrize(
    ("rows", "failures", "result"),
    [(0, 0, "undecided"), (2, 2, "undecided"), (500, 0, "pass"), (500, 60, "fail")],
)
def test_failures_are_judged_once_rows_can_tell(shadow: bool, rows: int, failures: int, result: str) -> None:
    """No row, and two rows even if both failed, tell nothing of a limit of 1 %; 60 of 500 break it."""
    found = judge_failures(arm(rows), arm(rows, failures), 0.01, shadow, 0.001)
    assert found.result == result
    assert found.rows == rows


def test_a_champion_without_rows_leaves_it_undecided() -> None:
    """If the champion answered nothing in the stage, nobody can tell who fails more often."""
    assert judge_failures(arm(0), arm(500, 60), 0.01, False, 0.001).undecided


def test_paired_failures_count_those_of_one_alone() -> None:
    """Failures of the champion alone weigh against those of the challenger alone."""
    assert judge_paired_failures(pairs(500, challenger_failed=60), 0.01, 0.001).failed
    assert judge_paired_failures(pairs(500, 60, 60), 0.01, 0.001).passed
    assert judge_paired_failures(pairs(0), 0.01, 0.001).undecided


def test_the_slowest_percent_needs_requests() -> None:
    """A few requests bound no 99th percentile: undecided, with the figure that was seen; 5,000 do."""
    few, many = (np.random.default_rng(0).lognormal(-5, 0.5, rows) for rows in (20, 5_000))
    found = judge_latency(few, few * 9, 0.99, 2.0, 0.01)
    assert found.undecided
    assert found.figure == pytest.approx(9)
    assert judge_latency(many, many, 0.99, 2.0, 0.01).passed
    assert judge_latency(many, many * 9, 0.99, 2.0, 0.01).failed
    assert judge_latency(NONE, many, 0.5, 2.0, 0.01).undecided


@settings(max_examples=30, deadline=None)
@given(factor=st.floats(0.01, 100), seed=st.integers(0, 100))
def test_the_unit_of_time_does_not_matter(factor: float, seed: int) -> None:
    """Seconds or milliseconds: the ratio of two times and what it proves are the same."""
    champion, challenger = np.random.default_rng(seed).lognormal(0, 0.5, (2, 400))
    one, other = (judge_latency(champion * unit, challenger * unit, 0.5, 1.1, 0.05) for unit in (1.0, factor))
    assert (one.result, one.figure) == (other.result, pytest.approx(other.figure))
