"""What a metric will be before labels come: right if only the rows have changed, wrong if what they mean has."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from regrow.decisions.before_labels import Expected, Rows, calibrate, carried, expect_metric
from regrow.decisions.units import Units, single_rows
from regrow.models.metrics import Codes, Floats, score
from regrow.project.metrics import CLASSIFICATION


def served(rows: int, shift: float, seed: int, weight: float = 1.5, scale: float = 1.0) -> tuple[Rows, Codes]:
    """Draw rows of one column, what a badly calibrated model predicts of them, and their classes.

    *shift* and *scale* move the rows (covariate shift), *weight* is what the column means for the class.
    """
    random = np.random.default_rng(seed)
    column = random.normal(shift, scale, rows)
    truth = (random.random(rows) < expit(weight * column - 1)).astype(np.int64)
    positive = expit(0.7 * column)
    units = Units(np.arange(rows) // 100, "day")
    return Rows(np.column_stack([1 - positive, positive]), units), truth


@pytest.mark.parametrize("metric", sorted(CLASSIFICATION))
def test_under_covariate_shift_the_estimate_is_right(metric: str) -> None:
    """If rows move and mean what they meant, what comes lies in the interval, and the holdout's figure does not."""
    holdout, truth = served(6000, 0.0, 1)
    window, came = served(6000, -1.3, 2, scale=0.6)
    found = expect_metric(metric, holdout, truth, window, threshold=0.4)
    assert isinstance(found, Expected)
    seen = window.prediction if metric in {"roc_auc", "average_precision", "log_loss", "brier"} else None
    decided = np.eye(2)[(window.prediction[:, 1] >= 0.4).astype(int)] if seen is None else seen
    realised = score(metric, came, decided, range(2))
    low, high = found.interval(0.99)
    assert low < realised < high
    before = carried(metric, holdout, truth, threshold=0.4)
    assert abs(found.figure - realised) < abs(before - realised) / 2


def test_a_changed_meaning_is_not_seen() -> None:
    """If the same rows come to mean something else, the estimate stays where it was and is wrong, as the page says."""
    holdout, truth = served(6000, 0.0, 1)
    window, came = served(6000, 0.0, 2, weight=0.2)
    found = expect_metric("roc_auc", holdout, truth, window)
    assert isinstance(found, Expected)
    low, _ = found.interval(0.99)
    assert score("roc_auc", came, window.prediction, range(2)) < low - 0.1
    assert found.figure == pytest.approx(carried("roc_auc", holdout, truth), abs=0.02)


def test_the_error_counts_days_that_stray_together() -> None:
    """If days are better or worse as a whole, the error is about what drawing other days shows; by rows it is less."""
    random = np.random.default_rng(3)

    def drawn(days: int) -> tuple[Rows, Codes]:
        day = np.repeat(np.arange(days), 40)
        positive = random.uniform(0.55, 0.95, len(day))
        moved = expit(np.log(positive / (1 - positive)) + random.normal(0, 1, days)[day])
        truth = (random.random(len(day)) < moved).astype(np.int64)
        return Rows(np.column_stack([1 - positive, positive]), Units(day, "entity")), truth

    (holdout, truth), (window, _) = drawn(200), drawn(200)
    alone = [Rows(each.prediction, single_rows(len(each))) for each in (holdout, window)]
    by_unit = expect_metric("brier", holdout, truth, window)
    by_row = expect_metric("brier", alone[0], truth, alone[1])
    assert isinstance(by_unit, Expected)
    assert isinstance(by_row, Expected)
    scores = [
        score("brier", came, each.prediction, range(2)) for each, came in (drawn(200) for _ in range(60))
    ]
    both = np.sqrt(2) * np.std(scores, ddof=1)  # The holdout is one such draw, and so is the window.
    assert 0.6 * both < by_unit.error < 1.6 * both
    assert by_row.error < 0.8 * by_unit.error


def test_losses_are_expected_from_the_columns() -> None:
    """Of a regression that misses more in one group, a window that holds more of the group is expected to be worse."""
    random = np.random.default_rng(0)

    def drawn(rows: int, share: float) -> tuple[Rows, Floats]:
        hard = random.random(rows) < share
        size, noise = random.normal(size=rows), random.normal(size=rows)
        target = size + np.where(hard, 3.0, 0.5) * noise
        columns = pd.DataFrame(
            {"kind": np.where(hard, "b", "a"), "size": size, "at": pd.Timestamp("2024-01-01")}
        )
        return Rows(size, Units(np.arange(rows) // 50, "day"), columns), target

    (holdout, truth), (window, came) = drawn(3000, 0.2), drawn(3000, 0.6)
    for metric in ("mae", "rmse"):
        found = expect_metric(metric, holdout, truth, window)
        assert isinstance(found, Expected)
        realised = score(metric, came, window.prediction)
        low, high = found.interval(0.99)
        assert low < realised < high
        assert found.figure > 1.5 * carried(metric, holdout, truth)


def test_calibration_finds_what_a_probability_means() -> None:
    """Probabilities that are too bold come out as often as the labels say, also of three classes."""
    random = np.random.default_rng(0)
    chance = random.dirichlet([1, 1, 1], 5000)
    truth = (random.random((5000, 1)) > chance.cumsum(axis=1)[:, :-1]).sum(axis=1)
    bold = chance**2 / (chance**2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibrate(bold, truth, bold), chance, atol=0.1)


def test_what_cannot_be_told_is_said() -> None:
    """Too few rows, units or classes, or a metric without a formula, give words and no figure."""
    holdout, truth = served(2000, 0.0, 1)
    few = Rows(holdout.prediction[:50], single_rows(50))
    assert "of 100 that it takes" in str(expect_metric("roc_auc", holdout, truth, few))
    single = Rows(holdout.prediction, Units(np.arange(2000) // 400, "day"))
    assert "5 days of 10 that it takes" in str(expect_metric("roc_auc", single, truth, holdout))
    assert "rarest class" in str(expect_metric("roc_auc", holdout, np.zeros_like(truth), holdout))
    assert "can be expected" in str(expect_metric("matthews_corrcoef", holdout, truth, holdout))
    numbers = Rows(np.arange(2000.0), single_rows(2000))
    assert "r2 is none of those" in str(expect_metric("r2", numbers, np.arange(2000.0), numbers))
