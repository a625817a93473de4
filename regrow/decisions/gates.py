"""Judge a candidate by the gates of its project file."""

import pandas as pd

from regrow.decisions.bootstrap import resample_gain
from regrow.models.metrics import as_judged, sign
from regrow.models.predictions import from_column
from regrow.project import BaselineGate, ChampionGate, EvaluationPlan, Gate, SliceGate, ThresholdGate
from regrow.results import Evaluation, SliceMetrics
from regrow.verdict import Finding, Verdict, combine, pass_if


def decide(plan: EvaluationPlan, evaluation: Evaluation, predictions: pd.DataFrame, seed: int = 0) -> Verdict:
    """Judge the candidate of *evaluation*, whose *predictions* stand row by row.

    Every gate must pass: one that is undecided keeps the candidate out just as one that fails.
    """
    findings = tuple(_judge(gate, plan, evaluation, predictions, seed) for gate in plan.gates)
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


def _judge(
    gate: Gate, plan: EvaluationPlan, evaluation: Evaluation, predictions: pd.DataFrame, seed: int
) -> Finding:
    """Judge one gate."""
    if isinstance(gate, ThresholdGate):
        return judge_threshold(gate, evaluation)
    if isinstance(gate, BaselineGate):
        return judge_baseline(gate, plan, evaluation)
    if isinstance(gate, SliceGate):
        return judge_slices(gate, evaluation)
    return judge_champion(gate, plan, evaluation, predictions, seed)


def judge_threshold(gate: ThresholdGate, evaluation: Evaluation) -> Finding:
    """Compare the metric itself with the gate's bound."""
    figure = evaluation.metrics[gate.metric]
    limit, words, kept = _bound(gate, figure)
    return Finding(
        rule=f"{gate.metric} {words} {limit:g}",
        result=pass_if(kept),
        figure=figure,
        limit=limit,
        rows=evaluation.rows,
        detail=f"{gate.metric} is {figure:.4f} on {evaluation.rows} rows",
    )


def judge_baseline(gate: BaselineGate, plan: EvaluationPlan, evaluation: Evaluation) -> Finding:
    """Compare the primary metric with that of the trivial model."""
    metric = plan.primary
    candidate, baseline = evaluation.metrics[metric], evaluation.baseline[metric]
    gain = sign(metric) * (candidate - baseline)
    return Finding(
        rule=f"{metric} better than the baseline's by more than {gate.margin:g}",
        result=pass_if(gain > gate.margin),
        figure=gain,
        limit=gate.margin,
        rows=evaluation.rows,
        detail=f"{metric} {candidate:.4f} against {baseline:.4f} of the baseline",
    )


def judge_champion(
    gate: ChampionGate, plan: EvaluationPlan, evaluation: Evaluation, predictions: pd.DataFrame, seed: int
) -> Finding:
    """Ask that the lower bound of the gain over the champion lies above the margin.

    Without a champion there is nothing to beat, and it passes. With one that could not be measured it is undecided.
    """
    metric = plan.primary
    rule = f"{metric} better than the champion's by more than {gate.margin:g}, {gate.confidence:.0%} sure"
    if evaluation.champion is None:
        first = evaluation.champion_version is None
        return Finding(
            rule=rule,
            result="pass" if first else "undecided",
            limit=gate.margin,
            rows=evaluation.rows,
            detail="no champion yet" if first else evaluation.champion_obstacle,
        )
    kind = evaluation.candidate.facts.kind
    seen = {
        name: as_judged(metric, from_column(predictions[name], kind), evaluation.thresholds.get(name))
        for name in ("candidate", "champion")
    }
    gain = resample_gain(
        metric,
        predictions["target"],
        seen["candidate"],
        seen["champion"],
        evaluation.candidate.facts.classes,
        confidence=gate.confidence,
        resamples=gate.resamples,
        seed=seed,
    )
    return Finding(
        rule=rule,
        result=pass_if(gain.lower > gate.margin),
        figure=gain.figure,
        limit=gate.margin,
        interval=(gain.lower, gain.upper),
        confidence=gate.confidence,
        rows=len(predictions),
        detail=f"{metric} {evaluation.metrics[metric]:.4f} against {evaluation.champion[metric]:.4f} "
        f"of champion {evaluation.champion_version} on {len(predictions)} rows: gain {gain.figure:+.4f}, "
        f"lower bound {gain.lower:+.4f} at {gate.confidence:.0%}",
    )


def judge_slices(gate: SliceGate, evaluation: Evaluation) -> Finding:
    """Compare the metric with the gate's bound in every slice that has enough rows; report the worst.

    It is undecided when no slice has enough rows and a metric: the file asks for slices to be judged, and none was.
    """
    words = "at least" if gate.at_least is not None else "at most"
    limit = gate.at_least if gate.at_least is not None else gate.at_most
    rule = f"{gate.metric} {words} {limit:g} in every {gate.column} of {gate.least_rows} rows or more"
    judged = [
        part
        for part in evaluation.slices
        if part.column == gate.column and part.rows >= gate.least_rows and gate.metric in part.metrics
    ]
    if not judged:
        return Finding(
            rule=rule,
            result="undecided",
            limit=limit,
            detail=f"no {gate.column} has {gate.least_rows} rows to judge {gate.metric} on: hold out more rows, or "
            "lower the gate's least_rows",
        )
    failing = [part for part in judged if not _bound(gate, part.metrics[gate.metric])[2]]
    worst = (max if words == "at most" else min)(
        failing or judged, key=lambda part: part.metrics[gate.metric]
    )
    named = ", ".join(_describe(part, gate) for part in failing) or f"worst {_describe(worst, gate)}"
    return Finding(
        rule=rule,
        result=pass_if(not failing),
        figure=worst.metrics[gate.metric],
        limit=limit,
        rows=worst.rows,
        detail=f"{gate.metric} by {gate.column}: {named}",
    )


def _describe(part: SliceMetrics, gate: SliceGate) -> str:
    return f"{part.value} {part.metrics[gate.metric]:.4f} ({part.rows} rows)"


def _bound(gate: ThresholdGate | SliceGate, figure: float) -> tuple[float, str, bool]:
    """Return the gate's limit, its direction in words, and whether *figure* keeps to it."""
    if gate.at_least is not None:
        return gate.at_least, "at least", figure >= gate.at_least
    limit = gate.at_most if gate.at_most is not None else float("nan")
    return limit, "at most", figure <= limit
