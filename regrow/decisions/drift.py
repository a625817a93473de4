"""Drift: how many columns, and whether the predictions, moved away from the reference."""

from collections.abc import Mapping

from regrow.project import DriftRule
from regrow.verdict import Finding, pass_if


def drifted_columns(distances: Mapping[str, float], rule: DriftRule) -> tuple[str, ...]:
    """Name the columns whose distance reaches the threshold, the farthest first."""
    beyond = [name for name, distance in distances.items() if distance >= rule.threshold]
    return tuple(sorted(beyond, key=lambda name: (-distances[name], name)))


def drift_share(distances: Mapping[str, float], rule: DriftRule) -> float:
    """Return the share of columns that drifted; 0 of no columns."""
    return len(drifted_columns(distances, rule)) / len(distances) if distances else 0.0


def judge_data_drift(distances: Mapping[str, float], rows: int, rule: DriftRule) -> Finding:
    """Judge the share of drifted columns by each column's distance, measured on *rows* served rows."""
    drifted = drifted_columns(distances, rule)
    share = drift_share(distances, rule)
    named = ", ".join(f"{name} {distances[name]:.2f}" for name in drifted) or "none"
    if not distances:
        result, detail = "undecided", "no column has values on both sides"
    elif rows < rule.least_rows:
        result, detail = "undecided", _too_few(rows, rule)
    else:
        result = pass_if(share < rule.share)
        detail = f"{len(drifted)} of {len(distances)} columns drifted by {rule.method} ({named})"
    return Finding(
        rule=f"share of drifted columns below {rule.share:g}",
        subject="drift",
        result=result,
        figure=share,
        limit=rule.share,
        rows=rows,
        detail=detail,
    )


def judge_prediction_drift(distance: float | None, rows: int, threshold: float, rule: DriftRule) -> Finding:
    """Judge the *distance* of predictions on *rows* served rows from those on the reference."""
    if distance is None or rows < rule.least_rows:
        result, detail = "undecided", _too_few(rows, rule)
    else:
        result, detail = pass_if(distance < threshold), f"{rule.method} of the predictions {distance:.2f}"
    return Finding(
        rule=f"prediction drift below {threshold:g}",
        subject="prediction drift",
        result=result,
        figure=distance,
        limit=threshold,
        rows=rows,
        detail=detail,
    )


def _too_few(rows: int, rule: DriftRule) -> str:
    return f"{rows} of {rule.least_rows} rows"
