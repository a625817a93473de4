"""The held-out rows that judge a candidate, and what they can prove at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.base.verdict import Finding, count_units
from regrow.decisions.estimates import Estimate, estimate, what_is_missing
from regrow.decisions.units import Units, unit_fields
from regrow.models.metrics import Floats, Label, as_judged, encode, sign
from regrow.models.predictions import from_column
from regrow.models.results import SLICE, TIME, UNIT, Evaluation
from regrow.project import BaselineGate, ChampionGate, EvaluationPlan, Metric, Unit

REMEDY = (
    "hold out more (training.window, data.split.holdout) or, if smaller units than these are independent of one "
    "another, name them (data.unit)"
)


@dataclass(frozen=True)
class HeldOut:
    """What each model of *evaluation* predicted of the held-out rows, and which of them are one observation."""

    evaluation: Evaluation
    frame: pd.DataFrame
    """As `Evaluation.predictions` holds it."""
    unit: Unit

    @cached_property
    def units(self) -> Units:
        """The unit of each row."""
        return Units(self.frame[UNIT].to_numpy(np.int64), self.unit)

    def measure(self, metric: Metric, rows: NDArray[np.bool_] | None = None) -> Estimate | str:
        """Return the candidate's *metric*, on *rows* if given; if they are too few, what is missing."""
        chosen = np.ones(len(self.frame), dtype=np.bool_) if rows is None else rows
        target = self.frame["target"][chosen]
        sides = [self._seen("candidate", metric)[chosen]]
        return estimate(metric, target, sides, self._classes, self.units.take(chosen))

    def gain(self, metric: Metric, other: str) -> Estimate | str:
        """Return by how much the candidate is better than *other*, whatever the metric's direction."""
        sides = [self._seen(name, metric) for name in (other, "candidate")]
        found = estimate(metric, self.frame["target"], sides, self._classes, self.units)
        return found if isinstance(found, str) else replace(found, figure=sign(metric) * found.figure)

    def slices(self, column: str) -> dict[str, NDArray[np.bool_]]:
        """Return which rows have each value of *column*, in the order of the values."""
        values = self.frame[f"{SLICE}{column}"]
        return {
            str(value): (values == value).to_numpy(np.bool_) for value in sorted(values.dropna().unique())
        }

    @property
    def candidate(self) -> Floats:
        """What the candidate predicted, in the shape of `regrow.models.results`."""
        return self._predictions["candidate"]

    @cached_property
    def truth(self) -> NDArray[np.generic]:
        """Each row's class as its place among the candidate's classes, or its number."""
        target = self.frame["target"]
        return encode(target, self._classes) if self._classes else target.to_numpy(np.float64)

    def newest(self, share: float) -> NDArray[np.bool_]:
        """Return which rows lie in the last *share* of the holdout's time; those without a time do not."""
        moments = self.frame[TIME].to_numpy(np.float64, na_value=np.nan)
        if np.isnan(moments).all():
            return np.zeros(len(moments), dtype=np.bool_)
        first, last = np.nanmin(moments), np.nanmax(moments)
        return moments > last - share * (last - first)

    @property
    def _classes(self) -> Sequence[Label]:
        return self.evaluation.candidate.facts.classes

    def _seen(self, name: str, metric: Metric) -> Floats:
        """Return the predictions of model *name* as *metric* must see them."""
        return as_judged(metric, self._predictions[name], self.evaluation.thresholds.get(name))

    @cached_property
    def _predictions(self) -> dict[str, Floats]:
        """The predictions of each model: every gate and slice asks for them."""
        kind = self.evaluation.candidate.facts.kind
        names = [name for name in ("candidate", "baseline", "champion") if name in self.frame]
        return {name: from_column(self.frame[name], kind) for name in names}


def measured(found: Estimate, figure: float, confidence: float) -> dict[str, Any]:
    """Return the fields of a finding that *figure* and its interval fill."""
    radius = found.radius(confidence)
    return {
        "interval": (figure - radius, figure + radius),
        "confidence": confidence,
        "rows": found.rows,
        "effective_rows": found.effective,
        **unit_fields(found.units),
    }


def counted(held_out: HeldOut) -> dict[str, Any]:
    """Return the fields of a finding without an interval."""
    return {"rows": len(held_out.frame), **unit_fields(held_out.units)}


def tell_days(held_out: HeldOut) -> tuple[Finding, ...]:
    """Return the remark on which days (UTC) a verdict speaks for; none if no row has a time."""
    moments = held_out.frame[TIME].dropna()
    if moments.empty:
        return ()
    first, last = (pd.Timestamp(int(each), unit="us").date() for each in (moments.min(), moments.max()))
    told = (
        f"the held-out rows are of {first} to {last} (UTC); of other days, such as those of another season, "
    )
    remark = Finding(
        rule="the days that it speaks for",
        result="pass",
        noted=True,
        detail=f"{told}they say nothing",
        **counted(held_out),
    )
    return (remark,)


def undecided(rule: str, limit: float, detail: str, held_out: HeldOut) -> Finding:
    """Return that nobody can tell whether *held_out* rows keep to *rule*: *detail* says why, and what to do."""
    return Finding(rule=rule, result="undecided", limit=limit, detail=detail, **counted(held_out))


def provable(found: Estimate, margin: float, confidence: float) -> str:
    """Return in words which gain such rows prove to be over *margin* and, if the one *found* is less, how many would.

    A *margin* below 0 is a loss that is let pass.
    """
    least = margin + found.radius(confidence)
    told = f"such a holdout proves gains above {least:.4f}"
    if margin < 0:
        told = f"such a holdout rules out a greater loss if the gain is above {least:.4f}"
    gain = found.figure - margin
    if found.figure > least or gain <= 0 or not found.error:
        return told
    needed = count_units(units_needed(found, margin, confidence), found.units.unit)
    return f"{told}; about {needed} would prove this one"


def units_needed(found: Estimate, margin: float, confidence: float) -> int:
    """Return how many units like those of *found* would prove its figure to be above *margin*, which it must be."""
    return math.ceil(found.units.count * (found.radius(confidence) / (found.figure - margin)) ** 2)


def judge_holdout(
    plan: EvaluationPlan, target: pd.Series, units: Units, *, classifier: bool
) -> Finding | None:
    """Return what keeps held-out rows of *target* from proving any gain of a *classifier* or a regression, if it does.

    It is asked before a model is fitted: it knows the number of units and the classes in them, and no more.
    """
    if not any(isinstance(gate, BaselineGate | ChampionGate) for gate in plan.gates):
        return None
    classes = target.unique().tolist() if classifier else []
    truth = encode(target, classes) if classifier else np.zeros(len(target))
    missing = what_is_missing(plan.primary, truth, len(classes), units)
    if not missing:
        return None
    return Finding(
        rule=f"a holdout that can prove a gain of {plan.primary}",
        result="undecided",
        rows=len(target),
        units=units.count,
        unit=units.unit,
        detail=f"too little is held out to prove anything: {missing}; {REMEDY}",
    )
