"""Drift: which columns, and whether the predictions, moved away from the reference. A diagnosis, not an alarm."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from regrow.base.verdict import Finding, pass_if
from regrow.decisions.context import Explained
from regrow.decisions.units import Units, unit_fields
from regrow.project import DriftRule


@dataclass(frozen=True)
class Move:
    """How far a column lies from its reference."""

    figure: float
    limit: float
    """The distance from which it matters."""
    doubt: float = 1.0
    """How probable such a distance is by chance, by what windows of the past show; 1 if it is below the limit."""


def find_drifted(moves: Mapping[str, Move], level: float) -> tuple[str, ...]:
    """Name the columns of *moves* that lie beyond their limit, and farther than chance goes; the farthest first.

    Benjamini and Yekutieli 2001, which holds however columns depend on one another: without drift any is named with
    probability *level* at most.
    """
    ordered = sorted(moves, key=lambda name: (moves[name].doubt, name))
    count = len(ordered)
    harmonic = float(np.sum(1 / np.arange(1, count + 1)))
    kept = [
        place
        for place, name in enumerate(ordered, 1)
        if moves[name].doubt <= place * level / (count * harmonic)
    ]
    beyond = [name for name in ordered[: max(kept, default=0)] if moves[name].figure >= moves[name].limit]
    return tuple(sorted(beyond, key=lambda name: (-moves[name].figure, name)))


def drift_share(columns: Collection[str], drifted: Collection[str]) -> float:
    """Return the share of *columns* that *drifted*; 0 of no columns."""
    return sum(name in columns for name in drifted) / len(columns) if columns else 0.0


def judge_data_drift(
    moves: Mapping[str, Move],
    drifted: Collection[str],
    rows: int,
    rule: DriftRule,
    floor: str = "",
    explained: Explained | None = None,
    units: Units | None = None,
) -> Finding:
    """Judge the columns of *moves*, measured on *rows* served rows, of which some *drifted*.

    *floor* says why they could be held against no windows of the past, *explained* what a given context explains,
    *units* what the rows lie on. The finding is noted alone, unless the file lets drift raise an alarm.
    """
    drifted = [name for name in drifted if name in moves]
    share, count = drift_share(moves, drifted), len(drifted)
    named = ", ".join(f"{name} {moves[name].figure:.2f}" for name in drifted) or "none"
    if not moves:
        why = (
            "every column is given as context"
            if rule.context and rows
            else "no column has values on both sides"
        )
        result, detail = "undecided", why
    elif rows < rule.least_rows:
        result, detail = "undecided", too_few(rows, rule)
    elif explained and explained.obstacle:
        result, detail = "undecided", explained.obstacle
    else:
        result = pass_if(share < rule.share if rule.share else not share)
        told = f"{_told(count, floor)}{explained or ''}"
        detail = f"{count} of {len(moves)} columns drifted by {rule.method} ({named}){told}"
    return Finding(
        rule=f"share of drifted columns below {rule.share:g}" if rule.share else "no column drifts",
        subject="drift",
        result=result,
        figure=share,
        limit=rule.share,
        rows=rows,
        noted=not rule.alarm,
        detail=detail,
        **unit_fields(units),
    )


def judge_prediction_drift(
    move: Move | None,
    drifted: bool,
    rows: int,
    threshold: float,
    rule: DriftRule,
    floor: str = "",
    explained: Explained | None = None,
    units: Units | None = None,
) -> Finding:
    """Judge how far predictions on *rows* served rows lie from those on the reference, and whether they *drifted*."""
    if move is None or rows < rule.least_rows:
        result, detail = "undecided", too_few(rows, rule)
    elif explained and explained.obstacle:
        result, detail = "undecided", explained.obstacle
    else:
        result = pass_if(not drifted)
        given = f" given {', '.join(explained.context)}" if explained else ""
        detail = f"{rule.method} of the predictions {move.figure:.2f}{_told(drifted, floor)}{given}"
    return Finding(
        rule=f"prediction drift below {threshold:g}",
        subject="prediction drift",
        result=result,
        figure=None if move is None else move.figure,
        limit=threshold,
        rows=rows,
        noted=not rule.alarm,
        detail=detail,
        **unit_fields(units),
    )


def _told(drifted: float, floor: str) -> str:
    """Return in words what the distances of drifted columns were held against."""
    if not drifted:
        return ""
    return (
        f", beyond a floor only: {floor}" if floor else ", beyond what windows of the model's own past show"
    )


def too_few(rows: int, rule: DriftRule) -> str:
    """Return in words that *rows* are fewer than the *rule* asks for."""
    return f"{rows} of {rule.least_rows} rows"
