"""What a metric of served rows will come to, before their labels are known, and whether that can be relied on.

Classification: the champion's probabilities are calibrated on its holdout, and the metric is what they expect (CBPE:
Białek, Kuberski, Perrakis and Bifet 2024, "Estimating Model Performance Under Covariate Shift Without Labels").
Regression: a small model of the champion's losses on its holdout, asked about the served rows. Both know what rows look
like. What has changed between rows and labels (concept change) shows in neither.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from regrow.decisions.bins import comparable, cut, is_number
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
GROUPS = 10
"""Parts of the holdout that the jackknife leaves out, at most."""
MOST_ROWS = 20_000
"""Rows of a window that the jackknife looks at."""
MOST_SHOWN = 4_000
"""Rows of the holdout that a tree of the model of losses learns from."""
LOSSES: frozenset[Metric] = frozenset({"mae", "rmse"})


@dataclass(frozen=True)
class Rows:
    """What the champion predicted of some rows, in the shape of `regrow.models.results`, and their sampling units."""

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
    rows is compared with what came: the difference corrects the figure, and its spread from unit to unit makes the
    error.
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


@dataclass(frozen=True)
class _Chances:
    """What a calibration on the rows *here* of a holdout expects of a metric, there and of a window."""

    came: Pulled
    thought: Pulled
    ahead: Pulled
    chance: Floats
    """Of the window."""

    @property
    def figure(self) -> float:
        """What is expected of the window, corrected by what came of the holdout beside what was thought of it."""
        return self.ahead[0] + self.came[0] - self.thought[0]


def _expect_classes(
    metric: Metric, holdout: Rows, truth: Codes, window: Rows, threshold: float | None
) -> Expected | str:
    """Return what the calibrated probabilities expect of *metric*.

    The error has two parts. That of the calibration: a jackknife that leaves out a block of the holdout's units at a
    time. That of the window: the variance of labels drawn by its probabilities, more by as much as the labels of a
    unit of the holdout stray together.
    """
    if len(np.unique(truth)) < 2:
        return "the holdout has rows of one class only"

    def ask(rows: NDArray[np.bool_], asked: Floats) -> _Chances:
        given, codes = holdout.prediction[rows], truth[rows]
        chance = calibrate(given, codes, np.concatenate([given, asked]))
        seen, here = as_judged(metric, given, threshold), slice(len(given))
        return _Chances(
            expect(metric, known(codes, given.shape[1]), seen),
            expect(metric, chance[here], seen),
            expect(metric, chance[len(given) :], as_judged(metric, asked, threshold)),
            chance[len(given) :],
        )

    found = ask(np.ones(len(truth), dtype=np.bool_), window.prediction)
    if not np.isfinite(found.figure):
        return f"{metric} is undefined on these rows"
    groups, few = _groups(holdout.units), window.prediction[:: max(1, len(window) // MOST_ROWS)]
    without = np.array([ask(groups != group, few).figure for group in range(int(groups.max()) + 1)])
    if not np.isfinite(without).all():
        return f"{metric} is undefined without some of {holdout.units.named}"
    calibration = (len(without) - 1) / len(without) * float(np.sum((without - without.mean()) ** 2))
    drawn = _draw(found.chance)
    seen = as_judged(metric, window.prediction, threshold)
    strays = expect(metric, known(drawn, found.chance.shape[1]), seen)[1] - found.ahead[1]
    labels = float(np.sum(strays**2)) * _together(
        found.came[1] - found.thought[1], holdout.units, window.units
    )
    return Expected(
        figure=found.figure,
        error=float(np.sqrt(calibration + labels)),
        freedom=min(len(without), even_units(holdout.units.blocks())) - 1,
        rows=len(window),
        units=window.units,
    )


def _groups(units: Units) -> Codes:
    """Return which of at most `GROUPS` groups the block of each row is in; of periods neighbours are together."""
    blocks = units.blocks()
    if blocks.count <= GROUPS:
        return blocks.codes
    order = np.arange(blocks.count)
    places = order if units.ordered else np.random.default_rng(0).permutation(blocks.count)
    return places[blocks.codes] * GROUPS // blocks.count


def _draw(chance: Floats) -> Codes:
    """Draw a class for each row by its chances."""
    above = np.random.default_rng(0).random((len(chance), 1)) > chance.cumsum(axis=1)[:, :-1]
    return above.sum(axis=1).astype(np.int64)


def _together(strays: Floats, held_out: Units, window: Units) -> float:
    """Return by how much the variance of a *window* is greater than that of independent rows (the design effect).

    *strays* is by how much more each row of the holdout pulled the figure than was thought. What its rows of a unit
    have in common counts the more, the more rows a unit of the window has.
    """
    blocks = held_out.blocks()
    summed = np.bincount(blocks.codes, strays)
    effect = (
        float(np.sum(summed**2) / max(np.sum(strays**2), LOWEST**2)) * blocks.count / max(blocks.count - 1, 1)
    )
    sizes = [len(units.codes) / even_units(units) for units in (held_out, window)]
    return 1 + max(effect - 1, 0.0) * sizes[1] / sizes[0]


def _expect_losses(metric: Metric, holdout: Rows, truth: Floats, window: Rows) -> Expected:
    """Return what a model of the losses expects of *metric*; each half of the holdout is judged by the other half's.

    The variance of what it missed counts twice: as it stands, and as that of a window of its own number of units;
    losses that are expected to be greater vary by as much more.
    """
    misses = np.abs(truth - holdout.prediction)
    losses = misses if metric == "mae" else misses**2
    rows, asked = as_numbers(holdout, holdout), as_numbers(holdout, window)
    blocks = holdout.units.blocks()
    thought, ahead = np.empty(len(losses)), np.zeros(len(window))
    for part in (half := blocks.codes % 2 == 0, ~half):
        shown = min(MOST_SHOWN, int(part.sum()))
        model = RandomForestRegressor(10, min_samples_leaf=25, max_samples=shown, random_state=0)
        model.fit(rows[part], losses[part])
        thought[~part] = model.predict(rows[~part])
        ahead += model.predict(asked) / 2
    mean = float(ahead.mean())
    missed = (losses - thought - (losses - thought).mean()) / len(losses)
    summed = np.bincount(blocks.codes, missed)
    variance = float(np.sum(summed**2)) * len(summed) / max(len(summed) - 1, 1)
    longer = even_units(holdout.units) / even_units(window.units)
    error = np.sqrt(variance * (1 + longer)) * max(1.0, mean / max(float(thought.mean()), LOWEST))
    figure = mean + float((losses - thought).mean())
    if metric == "rmse":
        figure = float(np.sqrt(max(figure, LOWEST)))
        error = error / (2 * figure)
    return Expected(figure, float(error), even_units(blocks) - 1, len(window), window.units)


def as_numbers(holdout: Rows, asked: Rows) -> Floats:
    """Return the rows *asked* as `(rows, columns)` numbers: predictions, numbers, and bins of text by the *holdout*.

    Times are left out: those of a window are all later than those of the holdout.
    """
    found = [asked.prediction]
    if holdout.features is None or asked.features is None:
        return np.column_stack(found)
    for name, column in holdout.features.items():
        if pd.api.types.is_datetime64_any_dtype(column):
            continue
        numeric = is_number(column)
        other = comparable(asked.features[name], numeric)
        codes = other if numeric else cut(comparable(column, numeric)).codes(other)
        found.append(np.asarray(codes, dtype=np.float64))
    return np.column_stack(found)


def carried(metric: Metric, holdout: Rows, truth: Codes | Floats, threshold: float | None = None) -> float:
    """Return *metric* of the *holdout*: what somebody who knows nothing of the window expects of it."""
    if holdout.prediction.ndim == 2:
        codes = known(truth.astype(np.int64), holdout.prediction.shape[1])
        return expect(metric, codes, as_judged(metric, holdout.prediction, threshold))[0]
    misses = np.abs(truth - holdout.prediction)
    return float(misses.mean()) if metric == "mae" else float(np.sqrt(np.mean(misses**2)))
