"""What a metric of served rows will come to, before their labels are known, and whether that can be relied on.

Classification: the champion's probabilities are calibrated on its holdout, and the metric is what they expect (CBPE:
Białek, Kuberski, Perrakis and Bifet 2024, "Estimating Model Performance Under Covariate Shift Without Labels").
Regression: a small model of the champion's losses on its holdout, asked about the served rows. Both know what rows look
like. What has changed between rows and labels (concept change) shows in neither.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from regrow.decisions.estimates import even_units, what_is_missing
from regrow.decisions.expected import Pulled, expect, known
from regrow.decisions.units import Units
from regrow.models.metrics import Codes, Floats, as_judged
from regrow.project import Metric
from regrow.project.metrics import CLASSIFICATION

LEAST_ROWS = 100
"""Rows of the holdout, and of the window, from which anything is estimated."""
LOWEST = 1e-6
"""The least probability that calibration tells from 0."""
CATEGORIES = 30
"""Values of a column that the model of losses tells apart: the most frequent ones."""
LOSSES: frozenset[Metric] = frozenset({"mae", "rmse"})


@dataclass(frozen=True)
class Rows:
    """What the champion predicted of some rows, in the shape of `regrow.results`, and which are one observation."""

    prediction: Floats
    units: Units
    features: pd.DataFrame | None = None
    """The raw columns, if losses are to be estimated from them."""

    def __len__(self) -> int:
        return len(self.prediction)


@dataclass(frozen=True)
class Expected:
    """What a metric of a window is expected to come to."""

    figure: float
    error: float
    """Standard error of the difference between *figure* and what comes true, if nothing but the rows has changed."""
    freedom: float
    """Degrees of freedom of the error."""
    rows: int
    units: Units

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the two-sided interval in which the figure comes true with probability *confidence*."""
        radius = self.error * float(student.ppf((1 + confidence) / 2, self.freedom))
        return self.figure - radius, self.figure + radius


def expect_metric(
    metric: Metric, holdout: Rows, truth: Codes | Floats, window: Rows, threshold: float | None = None
) -> Expected | str:
    """Return what *metric* of *window* is expected to be, or in words why nobody can tell.

    *truth* is of the *holdout*: the place of each row's class, or its number. What is expected of the holdout's own
    rows is compared with what came: the difference corrects the figure, and its spread from unit to unit is the error,
    which grows as the window has fewer units.
    """
    classes = holdout.prediction.shape[1] if holdout.prediction.ndim == 2 else 0
    if metric not in (CLASSIFICATION if classes else LOSSES):
        return f"{metric} is none of those that can be expected: {', '.join(sorted(CLASSIFICATION | LOSSES))}"
    if min(len(holdout), len(window)) < LEAST_ROWS:
        return f"{len(holdout)} rows of the holdout and {len(window)} of the window, of {LEAST_ROWS} that it takes"
    if missing := what_is_missing(metric, truth, classes, holdout.units):
        return f"the holdout has {missing}"
    if not classes:
        return _expect_losses(metric, holdout, truth.astype(np.float64), window)
    return _expect_classes(metric, holdout, truth.astype(np.int64), window, threshold)


def calibrate(prediction: Floats, truth: Codes, asked: Floats, weight: Floats | None = None) -> Floats:
    """Return the probabilities *asked* as rows of the classes *truth* show that such ones are meant.

    A multinomial logistic regression on the logarithms: Dirichlet calibration (Kull et al. 2019), of two classes beta
    calibration (Kull, Silva Filho and Flach 2017).
    """
    logs, wanted = (np.log(np.clip(each, LOWEST, 1.0)) for each in (prediction, asked))
    center, scale = logs.mean(axis=0), logs.std(axis=0) + LOWEST
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=100.0, max_iter=200).fit(
            (logs - center) / scale, truth, sample_weight=weight
        )
    chance = np.zeros_like(wanted)
    chance[:, model.classes_] = model.predict_proba((wanted - center) / scale)
    return chance


def _expect_classes(
    metric: Metric, holdout: Rows, truth: Codes, window: Rows, threshold: float | None
) -> Expected | str:
    """Return what the calibrated probabilities expect of *metric*."""
    if len(np.unique(truth)) < 2:
        return "the holdout has rows of one class only"
    both = np.concatenate([holdout.prediction, window.prediction])
    chance, seen = calibrate(holdout.prediction, truth, both), as_judged(metric, both, threshold)
    here, there = slice(len(holdout)), slice(len(holdout), None)
    came = expect(metric, known(truth, both.shape[1]), seen[here])
    thought, ahead = expect(metric, chance[here], seen[here]), expect(metric, chance[there], seen[there])[0]
    if not np.isfinite([came[0], thought[0], ahead]).all():
        return f"{metric} is undefined on these rows"
    return _correct(ahead, came, thought, holdout.units, window)


def _expect_losses(metric: Metric, holdout: Rows, truth: Floats, window: Rows) -> Expected:
    """Return what a model of the losses expects of *metric*; each half of the holdout is judged by the other half's."""
    misses = np.abs(truth - holdout.prediction)
    losses = misses if metric == "mae" else misses**2
    rows, asked = _columns(holdout, holdout), _columns(holdout, window)
    half = holdout.units.blocks().codes % 2 == 0
    thought, ahead = np.empty(len(losses)), np.zeros(len(window))
    for part in (half, ~half):
        model = HistGradientBoostingRegressor(max_iter=40, min_samples_leaf=50, random_state=0)
        model.fit(rows[part], losses[part])
        thought[~part] = model.predict(rows[~part])
        ahead += model.predict(asked) / 2
    found = _correct(float(ahead.mean()), _pulled(losses), _pulled(thought), holdout.units, window)
    if metric == "mae":
        return found
    root = float(np.sqrt(max(found.figure, LOWEST)))
    return Expected(root, found.error / (2 * root), found.freedom, found.rows, found.units)


def _correct(ahead: float, came: Pulled, thought: Pulled, held_out: Units, window: Rows) -> Expected:
    """Correct what is expected *ahead* by what *came* of the holdout beside what was *thought* of it.

    The variance of the holdout's difference counts twice: once as it stands, and once as that of a window of its own
    number of units.
    """
    blocks = held_out.blocks()
    missed = np.bincount(blocks.codes, came[1] - thought[1])
    variance = float(np.sum(missed**2)) * len(missed) / max(len(missed) - 1, 1)
    longer = even_units(held_out) / even_units(window.units)
    return Expected(
        figure=ahead + came[0] - thought[0],
        error=float(np.sqrt(variance * (1 + longer))),
        freedom=even_units(blocks) - 1,
        rows=len(window),
        units=window.units,
    )


def _pulled(values: Floats) -> Pulled:
    """Return the mean of *values* and how far each pulls it."""
    return float(values.mean()), (values - values.mean()) / len(values)


def _columns(holdout: Rows, asked: Rows) -> Floats:
    """Return the rows *asked* as numbers: predictions, numbers, and the places of frequent values of the *holdout*.

    Times are left out: those of a window are all later than those of the holdout.
    """
    found = [asked.prediction]
    for name, column in (holdout.features if holdout.features is not None else pd.DataFrame()).items():
        other = (asked.features if asked.features is not None else pd.DataFrame())[name]
        if pd.api.types.is_datetime64_any_dtype(column):
            continue
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            found.append(pd.to_numeric(other, errors="coerce").to_numpy(np.float64))
            continue
        frequent = column.astype("object").map(str).value_counts().index[:CATEGORIES]
        found.append(frequent.get_indexer(other.astype("object").map(str)).astype(np.float64))
    return np.column_stack(found)


def carried(metric: Metric, holdout: Rows, truth: Codes | Floats, threshold: float | None = None) -> float:
    """Return *metric* of the *holdout*: what somebody who knows nothing of the window expects of it."""
    if holdout.prediction.ndim == 2:
        codes = known(truth.astype(np.int64), holdout.prediction.shape[1])
        return expect(metric, codes, as_judged(metric, holdout.prediction, threshold))[0]
    misses = np.abs(truth - holdout.prediction)
    return float(misses.mean()) if metric == "mae" else float(np.sqrt(np.mean(misses**2)))


