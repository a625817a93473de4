from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.base.errors import DataError
from regrow.decisions.performance import Holdout, judge_performance
from regrow.decisions.units import Units
from regrow.project import PerformanceRule

RULE = PerformanceRule(tolerance=0.03, confidence=0.95, least_rows=100)


def served(rows: int, skill: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw *rows* labels, and probabilities that know them the better the greater *skill*."""
    random = np.random.default_rng(seed)
    target = random.integers(0, 2, rows)
    positive = 1 / (1 + np.exp(-(skill * (target - 0.5) + random.normal(size=rows))))
    return target, np.column_stack([1 - positive, positive])


def holdout(figure: float, rows: int = 10_000) -> Holdout:
    return Holdout("roc_auc", figure, rows, (0, 1))


def test_a_clear_loss_fails():
    """An area far below the holdout's fails, with figure, interval and rows."""
    finding = judge_performance(*served(3000, 0.3), holdout(0.8), RULE)
    assert not finding.passed
    assert finding.interval is not None
    assert finding.figure is not None
    assert finding.interval[0] < finding.figure < finding.interval[1] < 0.77
    assert finding.rows == 3000


def test_a_loss_within_chance_passes():
    """A figure below the limit passes while the interval still reaches it."""
    target, prediction = served(150, 1.0)
    figure = judge_performance(target, prediction, holdout(0.5), RULE).figure
    assert figure is not None
    finding = judge_performance(target, prediction, holdout(figure + 0.04), RULE)
    assert finding.figure is not None
    assert finding.limit is not None
    assert finding.figure < finding.limit
    assert finding.passed


def test_too_few_labels_are_undecided():
    """Fewer labels than the least are undecided, and say how many there are."""
    finding = judge_performance(*served(99, 0.0), holdout(0.9), RULE)
    assert finding.undecided
    assert finding.detail == "99 of 100 labels"


def test_one_class_is_undecided():
    """An area that is undefined on labels of one class is no failure, and no pass."""
    _, prediction = served(200, 1.0)
    finding = judge_performance(np.zeros(200), prediction, holdout(0.9), RULE)
    assert finding.undecided
    assert finding.detail.startswith("roc_auc is undefined")


def test_a_holdout_without_the_metric_is_undecided():
    """A champion that was judged by another metric is not compared."""
    assert judge_performance(*served(200, 1.0), holdout(float("nan")), RULE).undecided


def test_an_error_metric_fails_upwards():
    """For a regression the error has to rise beyond the tolerance to fail."""
    target = np.random.default_rng(0).normal(size=1000)
    rule = RULE.model_copy(update={"tolerance": 0.1})
    assert judge_performance(target, target + 1, Holdout("mae", 0.95, 500), rule).passed
    assert not judge_performance(target, target + 1, Holdout("mae", 0.85, 500), rule).passed


def test_what_is_not_known_of_the_holdout_is_said():
    """The finding names the rows behind the holdout's figure, and says so when nobody knows how many there were."""
    rows = served(200, 1.0)
    assert "0.700 on 300 rows of the holdout" in judge_performance(*rows, holdout(0.7, 300), RULE).detail
    guessed = replace(holdout(0.7, 300), rows_are_known=False)
    assert "0.700 on at most 300 rows of the holdout" in judge_performance(*rows, guessed, RULE).detail


def test_a_label_unknown_to_the_champion_is_an_error():
    """A label that is none of the champion's classes is named, not guessed."""
    target, prediction = served(200, 1.0)
    with pytest.raises(DataError, match="maybe"):
        judge_performance(np.where(target == 1, "maybe", "no"), prediction, holdout(0.9), RULE)


def interval(truth: np.ndarray, prediction: np.ndarray, than: Holdout) -> tuple[float, float]:
    found = judge_performance(truth, prediction, than, RULE).interval
    assert found is not None
    return found


def test_a_small_holdout_widens_the_interval():
    """The holdout's own uncertainty counts: its error if it is known, else what so few rows would vary."""
    rows = served(1000, 1.0)
    narrow, wide = (np.ptp(interval(*rows, holdout(0.7, count))) for count in (100_000, 100))
    assert wide > 2 * narrow
    known = np.ptp(interval(*rows, replace(holdout(0.7, 100_000), error=0.05)))
    assert known == pytest.approx(2 * 1.962 * np.hypot(0.05, narrow / (2 * 1.962 * np.sqrt(1.01))), rel=0.01)


def test_the_interval_covers_as_often_as_it_says():
    """Of windows as good as the holdout, about one in twenty at most lies outside the interval."""
    truth = judge_performance(*served(200_000, 1.0, seed=999), holdout(0.5), RULE).figure
    assert truth is not None
    intervals = [interval(*served(400, 1.0, seed), holdout(truth, 10**9)) for seed in range(60)]
    assert sum(low <= truth <= high for low, high in intervals) >= 52


def test_rows_of_one_day_are_one_observation():
    """A window whose days differ as wholes has a wide interval by day, and says how many rows it is worth."""
    random = np.random.default_rng(0)
    days = np.repeat(np.arange(30), 100)
    prediction = np.zeros(3000)
    target = random.normal(size=30)[days] + 0.1 * random.normal(size=3000)
    than = Holdout("rmse", 0.5, 10**9)
    by_row, by_day = (
        judge_performance(target, prediction, than, RULE, units) for units in (None, Units(days, "day"))
    )
    assert by_row.failed
    assert by_row.interval is not None
    assert by_day.interval is not None
    assert np.ptp(by_day.interval) > 5 * np.ptp(by_row.interval)
    assert (by_day.units, by_day.unit, by_day.rows) == (30, "day", 3000)
    assert by_day.effective_rows is not None
    assert 10 < by_day.effective_rows < 100


def test_too_few_days_are_undecided():
    """Many rows of nine days tell too little, and the finding says what to do."""
    units = Units(np.arange(900) % 9, "day")
    finding = judge_performance(*served(900, 0.3), holdout(0.8), RULE, units)
    assert finding.undecided
    assert "9 days of 10 that it takes; watch a longer window (monitoring.window)" in finding.detail


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(120)))
def test_row_order_changes_nothing(order: list[int]):
    """The finding does not depend on the order of the rows."""
    target, prediction = served(120, 1.0)
    shuffled = judge_performance(target[order], prediction[order], holdout(0.9), RULE)
    straight = judge_performance(target, prediction, holdout(0.9), RULE)
    assert (shuffled.result, shuffled.detail) == (straight.result, straight.detail)


def test_the_level_of_a_look_says_how_sure_it_must_be():
    """A look that may err more often alarms sooner; a confidence in the file is that of the two-sided interval."""
    rows, than = served(1500, 0.9), holdout(0.5)
    sure, unsure = (
        judge_performance(*rows, than, RULE.model_copy(update={"confidence": None}), None, level)
        for level in (0.001, 0.1)
    )
    by_file = judge_performance(*rows, than, RULE, None, 0.001)
    assert (sure.confidence, unsure.confidence, by_file.confidence) == (0.999, 0.9, 0.975)
    assert np.ptp(sure.interval or ()) > np.ptp(by_file.interval or ()) > np.ptp(unsure.interval or ())
