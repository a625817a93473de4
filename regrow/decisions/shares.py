"""The share of rows that something is true of, and how far it lies above another one: by unit, not by row.

A share is as sure as that of fewer, independent rows: the rows over the *design effect*, its variance by units over
that of independent rows (Kish 1965). Of so many rows the interval is Wilson's (1927), which does not collapse if
nothing varies, and the difference of two shares has Newcombe's (1998, "Interval estimation for the difference between
independent proportions", method 10). With Student's quantile, and a design effect of 1 at the least, it is never
narrower than row by row.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from regrow.decisions.estimates import even_units, variance_of
from regrow.decisions.units import Units
from regrow.models.metrics import Codes, Floats
from regrow.project.monitoring import LEAST_UNITS

FARTHEST = 1e6
"""The greatest quantile: then everything is possible."""


@dataclass(frozen=True)
class Share:
    """The share of some rows that something is true of, and what these rows show of how alike those of a unit are."""

    share: float
    rows: int
    size: float | None = None
    """Rows of the block of units that a row is in, on average over rows; None if the units are not known."""
    design: float | None = None
    """The design effect; None if these rows do not show it: the share is 0 or 1, or there is one unit."""
    freedom: float = math.inf
    """Degrees of freedom of `design`."""
    many: bool = False
    """Whether there are units enough to believe `design`."""
    least: float = 1.0
    """The design effect if rows were independent: more than 1 of a share that is not just a mean over rows."""
    error: float = 0.0
    """Standard error of a share of 0 that is not just a mean over rows."""

    @property
    def likeness(self) -> float | None:
        """The correlation of rows of one unit; None if these rows do not show it."""
        if self.design is None or self.size is None:
            return None
        return max(self.design / self.least - 1, 0.0) / (self.size - 1) if self.size > 1 else 0.0

    def beside(self, other: "Share") -> "Sureness | None":
        """Return how sure this share is, with what the rows of *other* show where these show too little.

        None if neither shows it.
        """
        own, lent = self.design, None
        size = other.size if self.size is None else self.size
        if (likeness := other.likeness) is not None and size is not None:
            lent = self.least * (1 + (size - 1) * likeness)
        if own is not None and (self.many or lent is None):
            return self._sure(own, self.freedom)
        if lent is None:
            return None
        if own is None:
            return self._sure(lent, other.freedom)
        return self._sure(max(own, lent), max(self.freedom, other.freedom))

    def by_row(self) -> "Sureness":
        """Return how sure this share is if each row is independent."""
        return self._sure(self.least, math.inf)

    def interval(self, sure: "Sureness", confidence: float) -> tuple[float, float]:
        """Return two bounds, each of which holds with probability *confidence*; everything is possible of no rows."""
        if not self.rows:
            return 0.0, 1.0
        reach = sure.quantile(confidence)
        squared = reach**2 / sure.rows
        middle = (self.share + squared / 2) / (1 + squared)
        apart = math.sqrt(squared * (self.share * (1 - self.share) + squared / 4)) / (1 + squared)
        high = max(middle + apart, self.share + reach * self.error)
        return max(0.0, min(middle - apart, self.share)), min(1.0, max(high, self.share))

    def _sure(self, design: float, freedom: float) -> "Sureness":
        return Sureness(max(self.rows / max(design, self.least), 1e-9), freedom)


@dataclass(frozen=True)
class Sureness:
    """How sure a share is."""

    rows: float
    """Independent rows that would be as sure."""
    freedom: float

    def quantile(self, confidence: float) -> float:
        """Return Student's quantile."""
        if math.isinf(self.freedom):
            return float(norm.ppf(confidence))
        return min(float(student.ppf(confidence, max(self.freedom, 1e-3))), FARTHEST)


@dataclass(frozen=True)
class Rise:
    """By how much a share lies above another one."""

    figure: float
    interval: tuple[float, float]
    rows: float
    """Independent rows that would be as sure, of the first share."""
    known: bool = True
    """Whether one side shows how alike the rows of one unit are; see `sureness`."""

    def of_rest(self, share: float) -> "Rise":
        """Return it as a part of what is no part of *share*, which is below 1."""
        figure, low, high = (each / (1 - share) for each in (self.figure, *self.interval))
        return replace(self, figure=max(-1.0, figure), interval=(max(-1.0, low), min(1.0, high)))


def sureness(share: Share, before: Share) -> tuple[Sureness, Sureness, bool]:
    """Return how sure *share* and the one *before* are, and whether their rows show it.

    If neither side shows how alike the rows of one unit are, rows are taken for independent.
    """
    sure, sure_before = share.beside(before), before.beside(share)
    known = sure is not None and sure_before is not None
    return sure or share.by_row(), sure_before or before.by_row(), known


def rise(share: Share, before: Share, confidence: float) -> Rise:
    """Return by how much *share* lies above the one *before*; each bound holds with probability *confidence*."""
    sure, sure_before, known = sureness(share, before)
    (low, high), (low_before, high_before) = (
        each.interval(how, confidence) for each, how in ((share, sure), (before, sure_before))
    )
    figure = share.share - before.share
    below = math.hypot(share.share - low, high_before - before.share)
    above = math.hypot(high - share.share, before.share - low_before)
    bounds = (figure - below, figure + above) if share.rows and before.rows else (-1.0, 1.0)
    return Rise(figure, bounds, sure.rows, known)


def share_of(truth: NDArray[np.bool_], units: Units | None) -> Share:
    """Return the share of rows with *truth*; their *units* are None if nobody knows them."""
    rows = len(truth)
    if not rows:
        return Share(0.0, 0)
    share = float(truth.mean())
    if units is None:
        return Share(share, rows)
    if units.unit == "row":
        return Share(share, rows, 1.0, 1.0, rows - 1, many=True)
    blocks = joined(units)
    pulled = (np.bincount(blocks.codes, truth) - share * blocks.sizes) / rows
    return _by_blocks(share, rows, blocks, variance_of(pulled), units)


def lone_share(values: pd.Series, units: Units | None) -> tuple[Share, NDArray[np.bool_]]:
    """Estimate the share of further values of an unchanged column that *values* does not hold; which rows tell it.

    By Good and Turing (Good 1953): the share of values that stand in it once. If rows are not independent, once is in
    one unit, however many rows of it: the jackknife, which leaves out a unit at a time, gives its variance. Of rows, or
    of fewer than `LEAST_UNITS` units, or of unknown ones, it is Esty's (1983, "A normal limit law for a nonparametric
    estimator of the coverage of a random sample").
    """
    rows = len(values)
    if not rows:
        return Share(0.0, 0), np.zeros(0, dtype=np.bool_)
    places = pd.factorize(values)[0].astype(np.int64)
    times = np.bincount(places)
    once, twice = int((times == 1).sum()), int((times == 2).sum())
    share = once / rows
    variance = (once * (1 - share) + 2 * twice) / rows**2
    if units is None or units.count < LEAST_UNITS or units.unit == "row":
        binomial = share * (1 - share) / rows
        least = max(1.0, variance / binomial) if binomial else 1.0
        by_row = Share(share, rows, least=least, error=0.0 if share else math.sqrt(variance))
        if units is not None and units.unit == "row":
            by_row = replace(by_row, size=1.0, design=least, freedom=rows - 1, many=True)
        return by_row, times[places] == 1
    blocks = joined(units)
    lone, by_unit = _once(places, blocks)
    return _by_blocks(float(lone.mean()), rows, blocks, max(by_unit, variance), units), lone


def _by_blocks(share: float, rows: int, blocks: Units, variance: float, units: Units) -> Share:
    """Return *share* of *rows* with its *variance* by *blocks* of *units*."""
    binomial = share * (1 - share) / rows
    shown = binomial > 0 and blocks.count > 1
    return Share(
        share,
        rows,
        float(np.sum(blocks.sizes.astype(np.float64) ** 2)) / rows,
        max(1.0, variance / binomial) if shown else None,
        even_units(blocks) - 1 if shown else math.inf,
        many=units.count >= LEAST_UNITS,
        error=0.0 if share else math.sqrt(variance),
    )


def joined(units: Units) -> Units:
    """Return the blocks of *units*; fewer than `LEAST_UNITS` are not joined, or too few would be left to tell."""
    return units.blocks() if units.count >= LEAST_UNITS else units


def _once(places: Codes, units: Units) -> tuple[NDArray[np.bool_], float]:
    """Return which rows hold a value that no other unit does, and the variance of their share; *places* name values."""
    pairs, pair_of_row, counts = np.unique(
        places * units.count + units.codes, return_inverse=True, return_counts=True
    )
    value, unit = pairs // units.count, pairs % units.count
    within, totals = np.bincount(value), np.bincount(places)
    lone = within[value] == 1
    # Without a unit its lone rows are gone, and of a value that one other unit holds that one's rows are lone.
    pull = np.where(lone, counts, 0.0) - np.where(within[value] == 2, totals[value] - counts, 0.0)
    pulled: Floats = np.bincount(unit, pull, minlength=units.count).astype(np.float64)
    pulled = (pulled - pulled.sum() / len(places) * units.sizes) / len(places)
    return lone[pair_of_row.reshape(-1)], variance_of(pulled)


def shares_of_units(truth: NDArray[np.bool_], units: Units) -> Floats:
    """Return the share of each unit's rows with *truth*."""
    return np.bincount(units.codes, truth, minlength=units.count) / np.maximum(units.sizes, 1)


def modal_shares(values: pd.Series, units: Units) -> Floats:
    """Return the share of the most frequent value of each unit."""
    counts = pd.Series(units.codes).groupby([units.codes, pd.factorize(values)[0]]).size()
    return counts.groupby(level=0).max().to_numpy() / np.maximum(units.sizes, 1)


def broken_rows(
    truth: NDArray[np.bool_], units: Units, bar: float, least: int
) -> tuple[NDArray[np.bool_], int]:
    """Return which rows stand in runs of broken units, and how many units these are.

    A unit is broken if a share of *bar* of its rows has *truth*, or more; a run are neighbouring periods that hold
    *least* rows together. Units without an order have no neighbours: of these all rows are broken, or none.
    """
    if not units.ordered:
        return np.full(len(truth), truth.all()), units.count if truth.all() else 0
    broken = shares_of_units(truth, units) >= bar
    run = np.cumsum(~broken)
    kept = broken & (np.bincount(run, np.where(broken, units.sizes, 0))[run] >= min(least, len(truth)))
    return kept[units.codes], int(kept.sum())
