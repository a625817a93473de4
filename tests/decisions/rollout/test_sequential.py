"""The laws of bounds that hold at every look."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, norm

from regrow.decisions.rollout.sequential import (
    distribution_radius,
    least_gains,
    log_evidence_of_loss,
    lower_excess,
    lower_quantile,
    lower_rate,
    standard_errors,
    standard_errors_until,
    upper_quantile,
    upper_rate,
)

LOOKS = np.unique(np.geomspace(20, 2_000, 30).astype(int))
RUNS = 200
ALPHA = 0.1
TOLERATED = 0.17
"""Above it a bound that errs in a tenth of the runs lies in 1 of 1,000 tests."""

counts = st.integers(0, 400).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows)))
alphas = st.floats(1e-4, 0.4)


def share_of_errors(
    draw: Callable[[np.random.Generator], np.ndarray], errs: Callable[[np.ndarray], bool]
) -> float:
    """Return the share of runs in which *errs* is true at any look."""
    wrong = 0
    for run in range(RUNS):
        values = draw(np.random.default_rng(run))
        wrong += any(errs(values[:rows]) for rows in LOOKS)
    return wrong / RUNS


def coin(rate: float) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda random: random.random(LOOKS[-1]) < rate


def test_a_rate_is_covered_at_every_look() -> None:
    """The lower bound of a rate exceeds it, at any of 30 looks, no more often than alpha."""
    assert share_of_errors(coin(0.3), lambda v: lower_rate(int(v.sum()), len(v), ALPHA) > 0.3) <= TOLERATED


def test_a_bound_for_one_look_would_fail_that_test() -> None:
    """Clopper and Pearson's exact bound, repeated at each look, errs far more often: the test above can fail."""

    def exact(v: np.ndarray) -> bool:
        return bool(beta.ppf(ALPHA, v.sum(), len(v) - v.sum() + 1) > 0.3)

    assert share_of_errors(coin(0.3), exact) > TOLERATED


def test_a_paired_excess_is_covered_at_every_look() -> None:
    """The betting bound keeps alpha if two versions' failures are the same ones or each other's opposite."""

    def draw(random: np.random.Generator) -> np.ndarray:
        return random.choice([-1, 0, 1], p=[0.1, 0.78, 0.12], size=LOOKS[-1])

    def errs(v: np.ndarray) -> bool:
        return lower_excess(int((v == 1).sum()), int((v == -1).sum()), len(v), ALPHA) > 0.02

    assert share_of_errors(draw, errs) <= TOLERATED


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_a_quantile_is_covered_at_every_look(level: float) -> None:
    """Both bounds of a quantile keep alpha together, halved between them, even of rounded values."""
    truth = float(np.round(norm.ppf(level), 1))

    def errs(v: np.ndarray) -> bool:
        ordered = np.sort(v)
        return (
            lower_quantile(ordered, level, ALPHA / 2) > truth
            or upper_quantile(ordered, level, ALPHA / 2) < truth
        )

    assert share_of_errors(lambda random: np.round(random.normal(size=LOOKS[-1]), 1), errs) <= TOLERATED


def test_a_mean_is_covered_at_every_look() -> None:
    """The bound in standard errors keeps alpha for a skewed mean, though it is asymptotic."""

    def errs(v: np.ndarray) -> bool:
        return bool(v.mean() - v.std() / np.sqrt(len(v)) * standard_errors(len(v), ALPHA, 300) > 1)

    assert share_of_errors(lambda random: random.exponential(size=LOOKS[-1]), errs) <= TOLERATED


def test_a_mean_is_covered_at_every_look_until_the_end() -> None:
    """The bound that is narrowest at the last look keeps alpha over all looks, and uses nearly all of it."""

    def errs(v: np.ndarray) -> bool:
        return bool(v.mean() * np.sqrt(len(v)) > standard_errors_until(len(v) / LOOKS[-1], ALPHA))

    found = share_of_errors(lambda random: random.normal(size=LOOKS[-1]), errs)
    assert ALPHA / 3 < found <= TOLERATED


def test_a_distribution_is_covered_at_every_look() -> None:
    """An empirical distribution function never strays further from the truth than its radius, but for alpha."""

    def errs(v: np.ndarray) -> bool:
        ordered = np.sort(v)
        steps = np.arange(len(v) + 1) / len(v)
        distance = max(np.abs(ordered - steps[:-1]).max(), np.abs(ordered - steps[1:]).max())
        return bool(distance > distribution_radius(len(v), ALPHA))

    assert share_of_errors(lambda random: random.random(LOOKS[-1]), errs) <= TOLERATED


@given(rows=st.integers(1, 200), rate=st.floats(0.01, 0.99), alpha=alphas)
@settings(max_examples=40, deadline=None)
def test_a_rate_is_covered_exactly_at_one_look(rows: int, rate: float, alpha: float) -> None:
    """Summed over all counts, the chance that the bound exceeds the rate is at most alpha: no simulation."""
    wrong = [count for count in range(rows + 1) if lower_rate(count, rows, alpha) > rate]
    assert binom.pmf(wrong, rows, rate).sum() <= alpha


@given(count=counts, alpha=alphas)
@settings(deadline=None)
def test_the_rate_seen_lies_between_its_bounds(count: tuple[int, int], alpha: float) -> None:
    """Lower bound, share and upper bound come in this order; a smaller alpha widens them."""
    seen, rows = count
    low, high = lower_rate(seen, rows, alpha), upper_rate(seen, rows, alpha)
    assert 0 <= low <= (seen / rows if rows else 1) <= high <= 1
    assert lower_rate(seen, rows, alpha / 2) <= low + 1e-6
    assert upper_rate(seen, rows, alpha / 2) >= high - 1e-6


@given(worse=st.integers(0, 50), better=st.integers(0, 50), same=st.integers(0, 300), alpha=alphas)
@settings(deadline=None)
def test_one_more_failure_never_lowers_the_bound(worse: int, better: int, same: int, alpha: float) -> None:
    """A row on which the challenger fails instead of succeeding raises both bounds of its excess."""
    rows = worse + better + same + 1
    assert lower_excess(worse + 1, better, rows, alpha) >= lower_excess(worse, better, rows, alpha) - 1e-6
    assert lower_rate(worse + 1, rows, alpha) >= lower_rate(worse, rows, alpha) - 1e-6


@given(values=st.lists(st.floats(0, 10), max_size=300), level=st.floats(0.05, 0.95), alpha=alphas)
@settings(deadline=None)
def test_a_sample_quantile_lies_between_its_bounds(values: list[float], level: float, alpha: float) -> None:
    """Whatever the values, the bounds enclose the quantile seen; of too few they are infinite."""
    ordered = np.sort(np.array(values))
    low, high = lower_quantile(ordered, level, alpha), upper_quantile(ordered, level, alpha)
    assert low <= high
    if values:
        assert low <= np.quantile(ordered, level, method="higher")
        assert np.quantile(ordered, level, method="lower") <= high


def test_nothing_is_known_of_no_rows() -> None:
    """Without a row every bound is as wide as it can be."""
    assert (lower_rate(0, 0, 0.05), upper_rate(0, 0, 0.05)) == (0.0, 1.0)
    assert lower_excess(0, 0, 0, 0.05) == -1.0
    assert distribution_radius(0, 0.05) == 1.0
    assert lower_quantile(np.array([]), 0.5, 0.05) == -np.inf
    assert upper_quantile(np.array([]), 0.5, 0.05) == np.inf


@pytest.mark.parametrize("best", [100, 2_000, 25_000])
def test_the_bound_of_a_mean_is_narrowest_where_it_is_tuned(best: int) -> None:
    """Tuned to any other number of rows, the bound at *best* rows is no narrower."""
    widths = {
        tuned: standard_errors(best, 0.01, tuned)
        for tuned in (best // 4, best // 2, best, best * 2, best * 4)
    }
    assert min(widths, key=lambda tuned: widths[tuned]) == best
    assert widths[best] > norm.isf(0.01)


def test_no_single_gain_decides_and_few_prove_nothing() -> None:
    """A gain doubles the evidence at most, whatever its size; eight losses of one size reach 100, seven do not."""
    assert log_evidence_of_loss(np.array([-1e9])) <= np.log(2)
    assert least_gains(0.01) == 8
    assert log_evidence_of_loss(np.append(np.full(8, -1.0), -1e9)) <= log_evidence_of_loss(
        np.full(8, -1.0)
    ) + np.log(2)
    assert log_evidence_of_loss(np.zeros(5)) == pytest.approx(0)
    assert log_evidence_of_loss(np.ones(20)) < 0
    assert log_evidence_of_loss(np.append(np.full(20, -1e-18), 1.0)) < 0


@given(sizes=st.lists(st.floats(0.01, 100), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_over_all_signs_the_evidence_is_one_on_average(sizes: list[float]) -> None:
    """Whatever the sizes: if each sign is as likely as the other, the bets are fair, exactly."""
    signs = np.array(list(product((-1, 1), repeat=len(sizes))))
    evidence = [np.exp(log_evidence_of_loss(row * np.array(sizes))) for row in signs]
    assert np.mean(evidence) == pytest.approx(1)
