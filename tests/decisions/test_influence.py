"""The pulls of rows on a metric: their spread is the one that drawing other rows shows."""

import numpy as np
import pytest
from scipy.special import expit

from regrow.decisions.influence import GROUPS, pulls, row_pulls
from regrow.models.metrics import Floats, score
from regrow.project import Metric

CLASSES = (0, 1)


def drawn(rows: int = 800, seed: int = 3) -> tuple[np.ndarray, Floats]:
    """Draw labels of two classes and probabilities of them."""
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.3).astype(np.int64)
    positive = expit(target - 0.5 + random.normal(size=rows))
    return target, np.column_stack([1 - positive, positive])


def resampled(metric: Metric, target: np.ndarray, prediction: Floats, classes: tuple[int, ...]) -> float:
    """Return the standard deviation of *metric* over 100 resamples of the rows (Efron 1979)."""
    random = np.random.default_rng(1)
    draws = (random.integers(len(target), size=len(target)) for _ in range(100))
    return float(np.std([score(metric, target[rows], prediction[rows], classes) for rows in draws]))


@pytest.mark.parametrize(
    "metric", ["roc_auc", "log_loss", "brier", "accuracy", "average_precision", "balanced_accuracy", "f1"]
)
def test_the_spread_agrees_with_the_bootstraps(metric: Metric) -> None:
    """Losses, placement values and jackknife each give the spread that resampling gives, within a quarter."""
    target, prediction = drawn()
    figure, pulled = pulls(metric, target, prediction, 2, np.arange(len(target)))
    assert figure == pytest.approx(score(metric, target, prediction, CLASSES))
    assert np.sqrt(np.sum(pulled**2)) == pytest.approx(
        resampled(metric, target, prediction, CLASSES), rel=0.25
    )


@pytest.mark.parametrize("metric", ["rmse", "mae", "r2"])
def test_the_spread_of_a_regression_agrees_with_the_bootstraps(metric: Metric) -> None:
    """The same for numbers."""
    random = np.random.default_rng(0)
    target = random.normal(size=800)
    prediction = target + 0.5 * random.normal(size=800)
    figure, pulled = pulls(metric, target, prediction, 0, np.arange(800))
    assert figure == pytest.approx(score(metric, target, prediction))
    assert np.sqrt(np.sum(pulled**2)) == pytest.approx(resampled(metric, target, prediction, ()), rel=0.25)


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
def test_the_pulls_of_a_unit_are_those_of_its_rows(metric: Metric) -> None:
    """What a unit pulls is the sum over its rows, and all pulls together are nothing."""
    target, prediction = drawn()
    units = np.random.default_rng(0).integers(20, size=len(target))
    found = row_pulls(metric, target, prediction, 2)
    assert found is not None
    _, by_unit = pulls(metric, target, prediction, 2, units)
    np.testing.assert_allclose(by_unit, [found[1][units == unit].sum() for unit in range(20)])
    assert by_unit.sum() == pytest.approx(0, abs=1e-12)


def test_a_jackknife_leaves_out_at_most_so_many_groups() -> None:
    """Of more units than groups, whole units share a group: the cost does not follow the units."""
    target, prediction = drawn()
    _, pulled = pulls("f1", target, prediction, 2, np.arange(len(target)) // 2)
    assert len(pulled) == GROUPS
    _, pulled = pulls("f1", target, prediction, 2, np.arange(len(target)) // 40)
    assert len(pulled) == 20
