"""What was expected of windows before their labels came, beside what came: whether it is worth reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from regrow.base.formats import StoredRecord
from regrow.base.verdict import Finding
from regrow.decisions.before_labels import Expected
from regrow.project import Metric

LEAST_WINDOWS = 4
"""Windows whose labels have come, from which it is told whether the estimate is informative."""
MOST_WINDOWS = 12
"""Windows that are kept: the newest ones, which overlap by little or nothing."""
OVERLAP = 0.25
"""Part of a window that another one may share with it and still be evidence of its own: months are not equally long."""
CONFIDENCE = 0.95


class Foretold(StoredRecord):
    """What *metric* of a window was expected to be, and what it came to."""

    champion: int
    """The version whose rows it is of."""
    metric: Metric
    start: datetime
    end: datetime
    figure: float
    low: float
    high: float
    """The interval at `CONFIDENCE`."""
    carried: float
    """What the champion reached on its holdout: the simplest thing to expect."""
    realised: float | None = None
    """What came, on the labels that had matured when it was looked at first; None if it was not yet."""


class Forecasts(StoredRecord):
    """The windows of a model of which something was foretold, from the oldest to the newest, of whatever version."""

    windows: tuple[Foretold, ...] = ()

    def with_window(self, new: Foretold) -> "Forecasts":
        """Return this past with *new* if it overlaps no window of it by more than `OVERLAP`, the oldest left out."""
        allowed = OVERLAP * (new.end - new.start)
        if any(min(new.end, old.end) - max(new.start, old.start) > allowed for old in self.windows):
            return self
        kept = sorted((*self.windows, new), key=lambda each: each.end)
        return Forecasts(windows=tuple(kept[-MOST_WINDOWS:]))

    def before(self, start: datetime, end: datetime) -> tuple[Foretold, ...]:
        """Return the windows before that of [*start*, *end*): a run that is repeated sees nothing of itself."""
        latest = start + OVERLAP * (end - start)
        return tuple(each for each in self.windows if each.end <= latest)


@dataclass(frozen=True)
class Worth:
    """How far the estimates of past windows were off, beside the holdout's figure carried forward."""

    windows: int
    error: float
    """Mean absolute error of the estimates."""
    carried: float
    """Mean absolute error of the holdout's figure."""
    ahead: float
    """By how much the estimates were nearer, less a standard error of it."""

    @property
    def informative(self) -> bool | None:
        """Whether the estimate is worth reading; None if too few windows have their labels."""
        return None if self.windows < LEAST_WINDOWS else self.ahead > 0

    @property
    def told(self) -> str:
        """What to make of an estimate, in words."""
        if self.informative is None:
            return (
                f"whether that is informative for this model shows after {LEAST_WINDOWS} windows with labels, "
                f"{self.windows} so far"
            )
        errors = (
            f"it erred by {self.error:.3f} in {self.windows} windows with labels, the holdout's figure by"
        )
        if self.informative:
            return f"informative for this model: {errors} {self.carried:.3f}"
        return f"uninformative for this model: {errors} {self.carried:.3f}, which it must beat by more than chance"


def known(past: Sequence[Foretold], metric: Metric) -> tuple[Foretold, ...]:
    """Return those of *past* windows of which *metric* was foretold and has come."""
    return tuple(each for each in past if each.metric == metric and each.realised is not None)


def weigh(past: Sequence[Foretold]) -> Worth:
    """Return what the estimates of *past* windows, whose labels have come, were worth."""
    came = np.array([each.realised for each in past], dtype=np.float64)
    missed = np.abs(came - [each.figure for each in past])
    carried = np.abs(came - [each.carried for each in past])
    if not len(came):
        return Worth(0, 0.0, 0.0, 0.0)
    gains = carried - missed
    chance = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else np.inf
    return Worth(len(came), float(missed.mean()), float(carried.mean()), float(gains.mean()) - chance)


def tell_expected(metric: Metric, found: Expected | str, carried: float, past: Sequence[Foretold]) -> Finding:
    """Return the remark on what was *found* for a window: it decides nothing and alarms nobody.

    *carried* is the holdout's figure, *past* the windows whose labels have come.
    """
    asked = f"{metric} expected before labels"
    if isinstance(found, str):
        return Finding(
            rule=asked,
            subject="expected performance",
            result="pass",
            noted=True,
            detail=f"{metric} cannot be expected before labels: {found}",
        )
    low, high = found.interval(CONFIDENCE)
    rows = (
        f"{found.rows:,} rows" if found.units.unit == "row" else f"{found.rows:,} rows of {found.units.named}"
    )
    told = [
        f"{metric} {found.figure:.3f} ({low:.3f} to {high:.3f}) is expected of {rows}",
        f"{carried:.3f} was reached on the holdout",
        weigh(past).told,
        *(f"of {each.start:%Y-%m-%d} to {each.end:%Y-%m-%d} {write_foretold(each)}" for each in past[-1:]),
    ]
    return Finding(
        rule=asked,
        subject="expected performance",
        result="pass",
        noted=True,
        figure=found.figure,
        interval=(low, high),
        confidence=CONFIDENCE,
        rows=found.rows,
        units=found.units.count,
        unit=found.units.unit,
        detail="; ".join(told),
    )


def write_foretold(one: Foretold) -> str:
    """Write what was expected of *one* window, and what came."""
    expected = f"{one.figure:.3f} ({one.low:.3f} to {one.high:.3f}) was expected"
    return f"{expected}, {one.realised:.3f} came" if one.realised is not None else expected
