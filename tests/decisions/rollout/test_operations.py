"""How a challenger runs, judged against its champion."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.decisions.rollout.evidence import Arm, Floats, Pairs
from regrow.decisions.rollout.operations import judge_failures, judge_latency, judge_paired_failures

NONE = np.empty(0)


def arm(rows: int, failures: float = 0) -> Arm:
    return Arm(rows, rows, failures, NONE)


def timed(seconds: Floats) -> Arm:
    return Arm(len(seconds), len(seconds), 0, seconds)


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


def test_a_request_that_fails_whole_is_one_failure() -> None:
    """100 rows of one request that fail together prove nothing; the same 100 rows of a hundred requests do."""
    seen = pairs(1_000, challenger_failed=100)
    together = replace(seen, requests=np.repeat(np.arange(10), 100))
    assert judge_paired_failures(seen, 0.01, 0.001).failed
    found = judge_paired_failures(together, 0.01, 0.001)
    assert (found.failed, found.figure, found.units, found.rows) == (False, 0.1, 10, 1_000)
    assert "10 requests that both scored the challenger alone failed 1," in found.detail


@pytest.mark.parametrize("shadow", [True, False])
def test_part_of_a_request_is_part_of_a_failure(shadow: bool) -> None:
    """One row of ten lost in each request is a tenth of the requests, and is bounded like less than whole ones."""
    whole, parts = arm(500, 50), Arm(5_000, 500, 50.0, NONE)
    each, all_of_few = np.zeros(5_000), np.zeros(5_000)
    each[::10], all_of_few[:500] = np.nan, np.nan
    requests = np.repeat(np.arange(500), 10)
    even, lumps = (replace(pairs(5_000), challenger=side, requests=requests) for side in (each, all_of_few))
    assert judge_failures(arm(500), whole, 0.01, shadow, 0.001).interval == (
        judge_failures(arm(500), parts, 0.01, shadow, 0.001).interval
    )
    assert judge_paired_failures(even, 0.01, 0.001).figure == judge_paired_failures(lumps, 0.01, 0.001).figure


def test_whole_requests_keep_the_level() -> None:
    """If requests of 100 rows fail at the limit and no more, few of the runs find an excess at any look."""
    wrong = 0
    for run in range(40):
        failed = np.random.default_rng(run).random(400) < 0.01
        counts = np.cumsum(failed)[79::80]
        looks = zip(range(80, 401, 80), counts, strict=True)
        wrong += any(
            judge_failures(arm(n), Arm(100 * n, n, float(count), NONE), 0.01, True, 0.05).failed
            for n, count in looks
        )
    assert wrong <= 5  # Of 40 at 5 % more than this is 1 in 70, and the bound leaves room.


def test_the_slowest_percent_needs_requests() -> None:
    """A few requests bound no 99th percentile: undecided, with the figure that was seen; 5,000 do."""
    few, many = (np.random.default_rng(0).lognormal(-5, 0.5, rows) for rows in (20, 5_000))
    found = judge_latency(timed(few), replace(timed(few * 9), rows=100), 0.99, 2.0, 0.01)
    assert found.undecided
    assert (found.rows, found.units, found.unit) == (100, 20, "request")
    assert found.figure == pytest.approx(9)
    assert judge_latency(timed(many), timed(many), 0.99, 2.0, 0.01).passed
    assert judge_latency(timed(many), timed(many * 9), 0.99, 2.0, 0.01).failed
    assert judge_latency(timed(NONE), timed(many), 0.5, 2.0, 0.01).undecided


@settings(max_examples=30, deadline=None)
@given(factor=st.floats(0.01, 100), seed=st.integers(0, 100))
def test_the_unit_of_time_does_not_matter(factor: float, seed: int) -> None:
    """Seconds or milliseconds: the ratio of two times and what it proves are the same."""
    champion, challenger = np.random.default_rng(seed).lognormal(0, 0.5, (2, 400))
    one, other = (
        judge_latency(timed(champion * unit), timed(challenger * unit), 0.5, 1.1, 0.05)
        for unit in (1.0, factor)
    )
    assert (one.result, one.figure) == (other.result, pytest.approx(other.figure))
