"""Data quality: served rows that lack values, or hold values that the reference did not."""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.base.verdict import Finding, Result, count_units
from regrow.decisions.shares import (
    Rise,
    broken_rows,
    lone_share,
    modal_shares,
    rise,
    share_of,
    shares_of_units,
    sureness,
)
from regrow.decisions.units import Units, single_rows
from regrow.models.metrics import Floats
from regrow.project import QualityRule
from regrow.project.monitoring import LEAST_UNITS

RECURS = 5
"""Times that one new value must occur before it is judged alone: of many new ones some occur twice by chance."""
BROKEN = 0.2
"""By so much more of its rows than any unit of the reference a broken unit lacks values, or holds new ones."""
Truth = NDArray[np.bool_]


def judge_quality(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    rule: QualityRule,
    units: Units | None = None,
    served: Units | None = None,
    level: float = 0.05,
) -> tuple[Finding, ...]:
    """Judge each column's rise of missing values, and its share of values that *reference* does not hold.

    Of that share, what a sample like the reference misses of an unchanged column is expected, and no fault: of a column
    of thousands of rare categories it is much, of a few common ones nothing.

    A share fails if it is proven to be beyond the limit: the rows of a unit, of the reference's *units* and the
    window's *served*, are one observation (without *served* each row is; without *units* the reference's rows are as
    alike as the window's). All findings together fail by chance with probability *level* at most, whichever columns
    there are. A part of the window that is unlike anything in the reference needs no proof: see `_Asked.broken`. One
    value alone never fails. With fewer than `rule.least_rows` rows (or values, for the values that are not in the
    reference), or if rows alone would prove what fewer than `LEAST_UNITS` units cannot, it is undecided.
    """
    names = list(reference.columns)
    texts = [name for name in names if name in current.columns and is_text(reference[name])]
    if served is None:
        served, units = single_rows(len(current)), single_rows(len(reference))
    # Of new values two things are asked: how many there are, and how frequent one of them is.
    sides = _Sides(rule, units, served, level / max(len(names) + 2 * len(texts), 1))
    missing = [_judge_missing(reference[name], _column(current, name), sides) for name in names]
    return (*missing, *(_judge_unseen(reference[name], current[name], sides) for name in texts))


def is_text(column: pd.Series) -> bool:
    """Return whether *column* holds categories rather than numbers or times."""
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column))


def _column(frame: pd.DataFrame, name: Hashable) -> pd.Series:
    """Return column *name*, all missing if *frame* lacks it."""
    return frame[name] if name in frame.columns else pd.Series([None] * len(frame), name=name, dtype=object)


@dataclass(frozen=True)
class _Sides:
    """What every column is judged by."""

    rule: QualityRule
    units: Units | None
    """Of the reference's rows."""
    served: Units
    level: float
    """The probability of a false alarm that one question may have."""

    def present(self, reference: pd.Series, current: pd.Series) -> "_Sides":
        """Return the same of the rows that have values."""
        units = None if self.units is None else self.units.take(reference.notna().to_numpy(np.bool_))
        return replace(self, units=units, served=self.served.take(current.notna().to_numpy(np.bool_)))

    def broken(self, now: Truth, of_units: Callable[[Units], Floats], before: float, limit: float) -> int:
        """Return the number of units that are broken, if the rise that these alone make is beyond *limit*; else 0.

        *now* is true of `BROKEN` more of their rows than it was of any unit of the reference, by what *of_units* tells
        of each, and of *before* of all its rows. With fewer than `LEAST_UNITS` units in the reference, or if nobody
        knows them, a broken unit is one that *now* is true of from its first row to its last.
        """
        if not len(now) or not (self.served.ordered or now.all()):
            return 0
        most = 0.0 if self.units is None else float(of_units(self.units).max(initial=0.0))
        told = self.units is not None and self.units.count >= LEAST_UNITS
        if most >= 1:
            return 0
        rows, units = broken_rows(
            now, self.served, min(1.0, most + BROKEN) if told else 1.0, self.rule.least_rows
        )
        rise = (float(now[rows].sum()) - before * float(rows.sum())) / len(now)
        return units if rise > limit else 0


@dataclass(frozen=True)
class _Asked:
    """What was found of one question about a column."""

    by_unit: Rise
    by_row: Rise
    limit: float
    broken: int = 0
    """Units that are broken, see `_Sides.broken`: of a feed that fails a person hears at once, and not when days enough
    have failed to prove what days are like."""

    @property
    def result(self) -> Result:
        """What it says of the limit: `undecided` if rows would prove what the units do not."""
        if self.by_row.interval[0] <= self.limit:
            return "pass"
        proven = self.by_unit.known and self.by_unit.interval[0] > self.limit
        return "fail" if self.broken or proven else "undecided"


def _judge_missing(reference: pd.Series, current: pd.Series, sides: _Sides) -> Finding:
    """Judge the rise of one column's missing share."""
    limit, level = sides.rule.missing, sides.level
    before, now = (side.isna().to_numpy(np.bool_) for side in (reference, current))
    by_unit, by_row = (
        rise(share_of(now, served), share_of(before, units), 1 - level)
        for units, served in ((sides.units, sides.served), (single_rows(len(before)), single_rows(len(now))))
    )
    broken = sides.broken(now, lambda units: shares_of_units(before, units), _mean(before), limit)
    told = f"{_mean(now):.1%} missing, {_mean(before):.1%} in the reference" if len(now) else "no row"
    return _finding(
        f"missing values of {reference.name} at most {limit:g} above the reference",
        f"{reference.name}: {told}",
        _Asked(by_unit, by_row, limit, broken),
        int(now.sum()),
        len(now) if len(before) else 0,
        sides,
    )


def _judge_unseen(reference: pd.Series, current: pd.Series, sides: _Sides) -> Finding:
    """Judge one column's values that the reference does not hold, beyond what was to be expected.

    Of the values that should have been known, the share that is new; or the share of one new value alone, if that is
    more: of a column in which hardly anything recurs none should have been known.
    """
    sides = sides.present(reference, current)
    known, present = reference.dropna(), current.dropna()
    new = ~present.isin(known.unique()).to_numpy(np.bool_)
    asked, expected = _ask_how_many(known, new, sides)
    counts = present[new].value_counts()
    most = min(counts.index[counts == counts.max()], key=str, default=None)
    alone = _ask_how_frequent(known, present, most, sides)
    recurs = len(counts) > 0 and counts.max() >= RECURS
    if asked is None or (recurs and _rank(alone) > _rank(asked)):
        asked = alone
    examples = ", ".join(sorted({str(value) for value in present[new]})[:3])
    return _finding(
        f"unseen values of {reference.name} at most {sides.rule.unseen:g} above what is expected",
        f"{reference.name}: {int(new.sum())} of {len(present)} values not in the reference"
        + (f" ({examples})" if examples else "")
        + (f", {expected:.1%} expected of such a column" if expected else ""),
        asked,
        int(new.sum()),
        min(len(present), len(known)),
        sides,
    )


def _ask_how_many(known: pd.Series, new: Truth, sides: _Sides) -> tuple[_Asked | None, float]:
    """Ask which share of the values that should be *known* is *new*, None if none should be; and the expected share."""
    rises: list[Rise] = []
    expected, lone = lone_share(known, sides.units)
    by_row, _ = lone_share(known, single_rows(len(known)))
    if not len(new) or max(expected.share, by_row.share) == 1:
        return None, expected.share
    for share, served in ((expected, sides.served), (by_row, single_rows(len(new)))):
        rises.append(rise(share_of(new, served), share, 1 - sides.level).of_rest(share.share))
    limit, usual = sides.rule.unseen, expected.share
    # The limit is of the values that should have been known.
    broken = sides.broken(new, lambda units: shares_of_units(lone, units), usual, limit * (1 - usual))
    return _Asked(rises[0], rises[1], limit, broken), expected.share


def _ask_how_frequent(known: pd.Series, present: pd.Series, value: object, sides: _Sides) -> _Asked:
    """Ask by how much the share of one new *value* exceeds what the *known* values may miss of a value.

    The two errors, of the share and of what is missed, have a half of the level each.
    """
    rises: list[Rise] = []
    level, now = sides.level / 2, (present == value).to_numpy(np.bool_)
    for units, served in ((sides.units, sides.served), (single_rows(len(known)), single_rows(len(now)))):
        share, before = share_of(now, served), share_of(np.zeros(len(known), dtype=np.bool_), units)
        sure, sure_before, shown = sureness(share, before)
        missed = _greatest_missed(sure_before.rows, level)
        low, high = share.interval(sure, 1 - level)
        rises.append(Rise(share.share - missed, (low - missed, high - missed), sure.rows, shown))
    limit = sides.rule.unseen
    broken = sides.broken(now, lambda units: modal_shares(known, units), 0.0, limit)
    return _Asked(rises[0], rises[1], limit, broken)


def _rank(asked: _Asked) -> tuple[bool, bool, float]:
    """Order answers by what they prove."""
    return asked.result == "fail", asked.result == "undecided", asked.by_unit.interval[0]


def _greatest_missed(rows: float, level: float) -> float:
    """Return a share such that *rows* rows miss a value of at least that share with probability *level* at most.

    At most 1 / t values have a share of t, and each is missing with the probability (1 - t)^n ≤ exp(-n t).
    """
    return min(1.0, max(0.0, math.log(rows / level)) / rows) if rows else 1.0


def _mean(truth: Truth) -> float:
    return float(truth.mean()) if len(truth) else 0.0


def _finding(rule: str, told: str, asked: _Asked, count: int, enough: int, sides: _Sides) -> Finding:
    """Return what *asked* says of *count* values: one alone never fails, and fewer than asked for tell nothing.

    *enough* is the number of rows that must reach `least_rows`.
    """
    served, least, result = sides.served, sides.rule.least_rows, asked.result
    few = count_units(served.count, served.unit)
    note = ""
    if enough < least:
        result, note = "undecided", f"; {enough} of {least} rows that it takes to tell"
    elif count <= 1:
        result = "pass"
    elif result == "fail" and asked.broken:
        note = f"; {count_units(asked.broken, served.unit)} like none in the reference"
    elif result == "undecided" and served.count >= LEAST_UNITS:
        result, note = "pass", f"; not proven by {few}"
    elif result == "undecided":
        note = f"; {few} of {LEAST_UNITS} that it takes to tell"
    rows = len(served.codes)
    return Finding(
        rule=rule,
        subject="quality",
        result=result,
        figure=asked.by_unit.figure if rows else None,
        limit=asked.limit,
        interval=asked.by_unit.interval,
        confidence=1 - sides.level,
        rows=rows,
        units=served.count,
        unit=served.unit,
        effective_rows=asked.by_unit.rows if rows and asked.by_unit.known else None,
        detail=f"{told}{note}",
    )
