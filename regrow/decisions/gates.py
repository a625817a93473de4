"""Judge a candidate by the gates of its project file."""

from typing import Any

import pandas as pd

from regrow.decisions.estimates import Estimate
from regrow.decisions.held_out import REMEDY, HeldOut, provable
from regrow.project import (
    BaselineGate,
    ChampionGate,
    EvaluationPlan,
    Gate,
    Metric,
    SliceGate,
    ThresholdGate,
    Unit,
)
from regrow.results import Evaluation
from regrow.verdict import Finding, Verdict, combine, pass_if


def decide(plan: EvaluationPlan, evaluation: Evaluation, predictions: pd.DataFrame, unit: Unit) -> Verdict:
    """Judge the candidate of *evaluation*, whose *predictions* stand row by row, each with its *unit*.

    Every gate must pass: one that is undecided keeps the candidate out just as one that fails. So several gates need
    no correction: together they promote no more often than one.
    """
    held_out = HeldOut(evaluation, predictions, unit)
    findings = tuple(_judge(gate, plan.primary, held_out) for gate in plan.gates)
    result = combine(findings)
    told = [_tell(finding) for finding in findings if result == "pass" or not finding.passed]
    reason = "; ".join(told) or "the project file names no gate"
    return Verdict(decision="promote", result=result, reason=reason, findings=findings)


def _tell(finding: Finding) -> str:
    """Return what a verdict's reason says of *finding*: what was found and, unless it passed, what was asked."""
    if finding.passed:
        return finding.detail
    met = "not as asked" if finding.failed else "undecided"
    return f"{finding.detail}, {met}: {finding.rule}"


def _judge(gate: Gate, primary: Metric, held_out: HeldOut) -> Finding:
    """Judge one gate."""
    if isinstance(gate, ThresholdGate):
        return judge_threshold(gate, held_out)
    if isinstance(gate, BaselineGate):
        return judge_baseline(gate, primary, held_out)
    if isinstance(gate, SliceGate):
        return judge_slices(gate, held_out)
    return judge_champion(gate, primary, held_out)


def judge_threshold(gate: ThresholdGate, held_out: HeldOut) -> Finding:
    """Compare the metric itself with the gate's bound; its interval, of 95 % on each side, is shown beside it."""
    figure = held_out.evaluation.metrics[gate.metric]
    limit, words, kept = _bound(gate, figure)
    found = held_out.measure(gate.metric)
    shown = _counted(held_out) if isinstance(found, str) else _measured(found, figure, 0.95)
    on = f"{len(held_out.frame):,} rows" if isinstance(found, str) else found.counted
    return Finding(
        rule=f"{gate.metric} {words} {limit:g}",
        result=pass_if(kept),
        figure=figure,
        limit=limit,
        detail=f"{gate.metric} is {figure:.4f} on {on}",
        **shown,
    )


def judge_baseline(gate: BaselineGate, metric: Metric, held_out: HeldOut) -> Finding:
    """Ask that the lower bound of the gain over the trivial model lies above the margin."""
    return _judge_gain(gate, metric, held_out, "baseline", held_out.evaluation.baseline[metric])


def judge_champion(gate: ChampionGate, metric: Metric, held_out: HeldOut) -> Finding:
    """Ask of the gain over the champion what the gate asks, by default that its lower bound lies above the margin.

    Without a champion there is nothing to beat, and it passes. With one that could not be measured it is undecided.
    """
    evaluation = held_out.evaluation
    if evaluation.champion is not None:
        return _judge_gain(gate, metric, held_out, "champion", evaluation.champion[metric])
    first = evaluation.champion_version is None
    return Finding(
        rule=_rule(gate, metric, "champion"),
        result="pass" if first else "undecided",
        limit=gate.margin,
        detail="no champion yet" if first else evaluation.champion_obstacle,
        **_counted(held_out),
    )


def _judge_gain(
    gate: BaselineGate | ChampionGate, metric: Metric, held_out: HeldOut, name: str, figure: float
) -> Finding:
    """Ask for a gain over the model *name*, whose *metric* is *figure*: a proven one, if the gate asks nothing else."""
    evaluation = held_out.evaluation
    of = f"champion {evaluation.champion_version}" if name == "champion" else f"the {name}"
    told = f"{metric} {evaluation.metrics[metric]:.4f} against {figure:.4f} of {of}"
    rule, found = _rule(gate, metric, name), held_out.gain(metric, name)
    if isinstance(found, str):
        detail = f"{told}: too little is held out to prove anything: {found}; {REMEDY}"
        return Finding(rule=rule, result="undecided", limit=gate.margin, detail=detail, **_counted(held_out))
    lower = found.figure - found.radius(gate.confidence)
    asked = gate.ask if isinstance(gate, ChampionGate) else "proven"
    met = {
        "proven": lower > gate.margin,
        "non_inferior": lower > -gate.margin,
        "expected": found.figure > gate.margin,
    }
    return Finding(
        rule=rule,
        result=pass_if(met[asked]),
        figure=found.figure,
        limit=gate.margin,
        detail=f"{told} on {found.counted}: gain {found.figure:+.4f}, lower bound {lower:+.4f} at "
        f"{gate.confidence:.0%}; {provable(found, gate.margin, gate.confidence)}",
        **_measured(found, found.figure, gate.confidence),
    )


def _rule(gate: BaselineGate | ChampionGate, metric: Metric, name: str) -> str:
    """Return what is asked of the gain over the model *name*, in words."""
    sure = f"{gate.confidence:.0%} sure"
    if isinstance(gate, ChampionGate) and gate.ask == "non_inferior":
        return f"{metric} not worse than the {name}'s by more than {gate.margin:g}, {sure}"
    if isinstance(gate, ChampionGate) and gate.ask == "expected":
        return f"{metric} better than the {name}'s by more than {gate.margin:g} on average"
    return f"{metric} better than the {name}'s by more than {gate.margin:g}, {sure}"


def judge_slices(gate: SliceGate, held_out: HeldOut) -> Finding:
    """Ask that no slice with enough rows is proven to break the gate's bound; report the worst.

    Holm's correction (1979): a faultless candidate is refused for any of its slices with probability
    1 - `gate.confidence` at most. Its first step decides whether one is refused, so the interval of the worst slice is
    shown at the confidence of that step. It is undecided when no slice has enough rows and a metric: the file asks for
    slices to be judged, and none was.
    """
    rising = gate.at_least is not None
    limit, words, _ = _bound(gate, 0.0)
    rule = f"{gate.metric} {words} {limit:g} in every {gate.column} of {gate.least_rows} rows or more"
    large = {
        name: rows for name, rows in held_out.slices(gate.column).items() if rows.sum() >= gate.least_rows
    }
    measured = {name: held_out.measure(gate.metric, rows) for name, rows in large.items()}
    judged = {name: found for name, found in measured.items() if isinstance(found, Estimate)}
    if not judged:
        missing = next((f" ({found})" for found in measured.values() if isinstance(found, str)), "")
        detail = (
            f"no {gate.column} has {gate.least_rows} rows to judge {gate.metric} on{missing}: hold out more rows, or "
            "lower the gate's least_rows"
        )
        return Finding(rule=rule, result="undecided", limit=limit, detail=detail, **_counted(held_out))
    doubts = {name: found.doubt(_beyond(found, limit, rising)) for name, found in judged.items()}
    refused = _refuted(doubts, 1 - gate.confidence)
    worst = min(doubts, key=lambda name: (doubts[name], -_beyond(judged[name], limit, rising)))
    confidence = 1 - (1 - gate.confidence) / len(judged)
    named = ", ".join(_describe(name, judged[name], confidence) for name in refused or [worst])
    found = "proven beyond it" if refused else f"none of {len(judged)} proven beyond it, nearest"
    return Finding(
        rule=rule,
        result=pass_if(not refused),
        figure=judged[worst].figure,
        limit=limit,
        detail=f"{gate.metric} by {gate.column}: {found} {named}",
        **_measured(judged[worst], judged[worst].figure, confidence),
    )


def _beyond(found: Estimate, limit: float, rising: bool) -> float:
    """Return how far *found* lies on the wrong side of *limit*."""
    return limit - found.figure if rising else found.figure - limit


def _refuted(doubts: dict[str, float], alpha: float) -> list[str]:
    """Name the slices whose *doubts* (p-values) Holm's steps reject, together at *alpha*, the clearest first."""
    ordered = sorted(doubts, key=lambda name: doubts[name])
    for place, name in enumerate(ordered):
        if doubts[name] > alpha / (len(ordered) - place):
            return ordered[:place]
    return ordered


def _describe(name: str, found: Estimate, confidence: float) -> str:
    radius = found.radius(confidence)
    bounds = f"{found.figure - radius:.4f} to {found.figure + radius:.4f}"
    return f"{name} {found.figure:.4f} ({bounds}, {found.counted})"


def _measured(found: Estimate, figure: float, confidence: float) -> dict[str, Any]:
    """Return the fields of a finding that *figure* and its interval fill."""
    radius = found.radius(confidence)
    return {
        "interval": (figure - radius, figure + radius),
        "confidence": confidence,
        "rows": found.rows,
        "units": found.units.count,
        "unit": found.units.unit,
        "effective_rows": found.effective,
    }


def _counted(held_out: HeldOut) -> dict[str, Any]:
    """Return the fields of a finding without an interval."""
    units = held_out.units
    return {"rows": len(held_out.frame), "units": units.count, "unit": units.unit}


def _bound(gate: ThresholdGate | SliceGate, figure: float) -> tuple[float, str, bool]:
    """Return the gate's limit, its direction in words, and whether *figure* keeps to it."""
    if gate.at_least is not None:
        return gate.at_least, "at least", figure >= gate.at_least
    limit = gate.at_most if gate.at_most is not None else float("nan")
    return limit, "at most", figure <= limit
