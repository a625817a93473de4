"""A metric, or the gain of one model over another, and how sure it is: by unit, not by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from regrow.base.errors import DataError
from regrow.base.verdict import count_units
from regrow.decisions.influence import CLOSED_FORM, GROUPS, MEANS, Truth, pulls
from regrow.decisions.units import Units, single_rows
from regrow.models.metrics import Floats, Label, encode
from regrow.project import Metric
from regrow.project.monitoring import LEAST_UNITS

MOST_ROWS = 20_000
"""Rows on which a jackknife finds what independent rows would vary: more cost time and tell the same."""
LEAST_EVEN = 5.0
"""Units of equal size that the rows must be worth, or one or two hold most of them."""


@dataclass(frozen=True)
class Estimate:
    """A figure, and by how much it would vary if other units had been drawn."""

    figure: float
    error: float
    """Standard error of the figure, from unit to unit."""
    freedom: float
    """Degrees of freedom of the error."""
    rows: int
    units: Units
    effective: float
    """Rows that would be as sure if each were independent: the rows by the ratio of the two variances.

    More than the rows if those of a unit differ more than by chance; the words then say as many.
    """

    @classmethod
    def of(
        cls, figure: float, variance: float, independent: float, freedom: float, rows: int, units: Units
    ) -> "Estimate":
        """Return *figure* with its *variance* by units; were each row a unit, it would be *independent*."""
        effective = rows * independent / variance if variance else float(rows)
        return cls(figure, float(np.sqrt(variance)), freedom, rows, units, effective)

    def radius(self, confidence: float) -> float:
        """Return how far below the figure the lower bound lies that holds with probability *confidence*."""
        return self.error * float(student.ppf(confidence, self.freedom))

    def doubt(self, distance: float) -> float:
        """Return how probable it is that the figure comes out *distance* beyond the truth, or farther."""
        return float(student.sf(distance / self.error, self.freedom)) if self.error else float(distance <= 0)

    @property
    def counted(self) -> str:
        """What the figure is of, in words: `16,000 rows of 18 days, worth 950 independent ones`."""
        if self.units.unit == "row":
            return f"{self.rows:,} rows"
        of = f"{self.rows:,} rows of {self.units.named}"
        worth = f"{self.effective:,.0f}" if self.effective < self.rows else "as many"
        return f"{of}, worth {worth} independent ones"


def estimate(
    metric: Metric, target: ArrayLike, sides: Sequence[Floats], classes: Sequence[Label], units: Units
) -> Estimate | str:
    """Return *metric* of one prediction, or of two *sides* what the second has more than the first.

    What makes a row hard for both cancels out. Too little to tell an interval gives what is missing, in words.
    """
    truth: Truth = encode(target, classes) if len(classes) else np.asarray(target, dtype=np.float64)
    if missing := what_is_missing(metric, truth, len(classes), units):
        return missing
    drawn = even_units(units.blocks())
    try:
        figure, variance, independent = _measure(metric, truth, sides, len(classes), units.blocks())
    except DataError as error:
        return f"without one of {units.named}: {error}"
    freedom = (drawn if metric in CLOSED_FORM else min(drawn, GROUPS)) - 1
    return Estimate.of(figure, variance, independent, freedom, len(truth), units)


def compare_means(
    values: Floats, one: NDArray[np.bool_], other: NDArray[np.bool_] | None, units: Units
) -> Estimate | str:
    """Return the mean of *values* over the rows *one*, less that over the rows *other* if there are any.

    *values* has a number for each row; the rows of a unit are one observation, on whichever side they stand. Too
    little to tell an interval gives what is missing, in words.
    """
    sides = [(one, 1.0)] if other is None else [(one, 1.0), (other, -1.0)]
    for rows, _ in sides:
        having = units.take(rows)
        if having.count < LEAST_UNITS or even_units(having) < LEAST_EVEN:
            return f"{having.named} of {LEAST_UNITS} that it takes, with rows enough in each"
    either = np.logical_or.reduce([rows for rows, _ in sides])
    figure, pulled = 0.0, np.zeros(len(values))
    for rows, side in sides:
        mean, count = float(values[rows].mean()), int(rows.sum())
        figure += side * mean
        pulled[rows] += side * (values[rows] - mean) / count
    chosen = units.take(either)
    blocks = chosen.blocks()
    variance = variance_of(np.bincount(blocks.codes, pulled[either]).astype(np.float64))
    independent = variance_of(pulled[either])
    return Estimate.of(figure, variance, independent, even_units(blocks) - 1, int(either.sum()), chosen)


def independent_gain(one: Estimate, other: Estimate, direction: int, units: Units) -> Estimate:
    """Return by how much *one* is better than *other*, of units apart; *direction* is 1 if greater is better, else -1.

    The degrees of freedom are the fewer of the two, on the safe side of Welch's.
    """
    variance, rows = one.error**2 + other.error**2, one.rows + other.rows
    independent = sum(each.error**2 * each.effective / each.rows for each in (one, other))
    gain, freedom = direction * (one.figure - other.figure), min(one.freedom, other.freedom)
    return Estimate.of(gain, variance, independent, freedom, rows, units)


def _measure(
    metric: Metric, truth: Truth, sides: Sequence[Floats], classes: int, units: Units
) -> tuple[float, float, float]:
    """Return the figure, and its variance by *units* and as if each row were one."""
    if metric not in CLOSED_FORM:  # The jackknife's random groups must not follow the order of the rows.
        own = () if units.unit == "row" else (units.codes,)
        order = np.lexsort((*np.column_stack([truth, *sides]).T, *own))
        truth, sides, units = truth[order], [side[order] for side in sides], units.take(order)
    figure, pulled = _pulled(metric, truth, sides, classes, units)
    if metric in CLOSED_FORM or len(truth) <= MOST_ROWS:
        drawn = np.arange(len(truth))
    else:
        drawn = np.random.default_rng(0).choice(len(truth), MOST_ROWS, replace=False)
    alone = _pulled(metric, truth[drawn], [side[drawn] for side in sides], classes, single_rows(len(drawn)))[
        1
    ]
    return figure, variance_of(pulled), variance_of(alone) * len(drawn) / len(truth)


def _pulled(
    metric: Metric, truth: Truth, sides: Sequence[Floats], classes: int, units: Units
) -> tuple[float, Floats]:
    """Return the figure, of two *sides* the difference, and how far each unit pulls it."""
    figure, pulled = pulls(metric, truth, sides[-1], classes, units.codes)
    if len(sides) == 1:
        return figure, pulled
    other = pulls(metric, truth, sides[0], classes, units.codes)
    return figure - other[0], pulled - other[1]


def variance_of(pulled: Floats) -> float:
    """Return the variance of a figure that independent observations *pulled* so far."""
    return float(np.sum(pulled**2)) * len(pulled) / max(len(pulled) - 1, 1)


def what_is_missing(metric: Metric, truth: Truth, classes: int, units: Units) -> str:
    """Return what is missing before an interval of *metric* is believed; empty if nothing is."""
    if units.count < LEAST_UNITS:
        return f"{units.named} of {LEAST_UNITS} that it takes"
    if even_units(units) < LEAST_EVEN:
        return f"{units.named}, of which one or a few hold nearly all rows"
    if classes > 2 and metric in MEANS:
        return ""
    for place in range(classes):
        having = int(np.count_nonzero(np.bincount(units.codes, truth == place)))
        if having < LEAST_UNITS:
            return (
                f"the rarest class stands in {count_units(having, units.unit)} of {LEAST_UNITS} that it takes"
            )
    return ""


def even_units(units: Units) -> float:
    """Return how many units of equal size the *units* are worth (Kish 1965): few if a few hold most rows."""
    sizes = units.sizes.astype(np.float64)
    return float(sizes.sum() ** 2 / np.sum(sizes**2))
