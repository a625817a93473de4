"""Judge a candidate by the gates of its project file."""

import pandas as pd

from regrow.base.verdict import Finding, Verdict, combine, pass_if
from regrow.decisions.held_out import REMEDY, HeldOut, counted, measured, provable, undecided
from regrow.decisions.refusals import judge_calibration, judge_fairness, judge_robustness, judge_slices
from regrow.models.results import Evaluation
from regrow.project import (
    BaselineGate,
    CalibrationGate,
    ChampionGate,
    EvaluationPlan,
    FairnessGate,
    Gate,
    LatencyGate,
    Metric,
    RobustnessGate,
    SizeGate,
    SliceGate,
    ThresholdGate,
    Unit,
)


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
    match gate:
        case ThresholdGate():
            found = judge_threshold(gate, held_out)
        case BaselineGate():
            found = judge_baseline(gate, primary, held_out)
        case ChampionGate():
            found = judge_champion(gate, primary, held_out)
        case SliceGate():
            found = judge_slices(gate, held_out)
        case FairnessGate():
            found = judge_fairness(gate, held_out)
        case CalibrationGate():
            found = judge_calibration(gate, held_out)
        case RobustnessGate():
            found = judge_robustness(gate, primary, held_out)
        case LatencyGate() | SizeGate():
            found = judge_cost(gate, held_out)
    return found


def judge_threshold(gate: ThresholdGate, held_out: HeldOut) -> Finding:
    """Compare the metric itself with the gate's bound; its interval, of 95 % on each side, is shown beside it."""
    figure = held_out.evaluation.metrics[gate.metric]
    found = held_out.measure(gate.metric)
    shown = counted(held_out) if isinstance(found, str) else measured(found, figure, 0.95)
    on = f"{len(held_out.frame):,} rows" if isinstance(found, str) else found.counted
    return Finding(
        rule=gate.words,
        result=pass_if(gate.beyond(figure) <= 0),
        figure=figure,
        limit=gate.limit,
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
        limit=_least_gain(gate),
        detail="no champion yet" if first else evaluation.champion_obstacle,
        **counted(held_out),
    )


def _judge_gain(
    gate: BaselineGate | ChampionGate, metric: Metric, held_out: HeldOut, name: str, figure: float
) -> Finding:
    """Ask for a gain over the model *name*, whose *metric* is *figure*: a proven one, if the gate asks nothing else."""
    evaluation = held_out.evaluation
    of = f"champion {evaluation.champion_version}" if name == "champion" else f"the {name}"
    told = f"{metric} {evaluation.metrics[metric]:.4f} against {figure:.4f} of {of}"
    rule, limit, found = _rule(gate, metric, name), _least_gain(gate), held_out.gain(metric, name)
    if isinstance(found, str):
        detail = f"{told}: too little is held out to prove anything: {found}; {REMEDY}"
        return undecided(rule, limit, detail, held_out)
    lower = found.figure - found.radius(gate.confidence)
    on_average = isinstance(gate, ChampionGate) and gate.ask == "expected"
    return Finding(
        rule=rule,
        result=pass_if((found.figure if on_average else lower) > limit),
        figure=found.figure,
        limit=limit,
        detail=f"{told} on {found.counted}: gain {found.figure:+.4f}, lower bound {lower:+.4f} at "
        f"{gate.confidence:.0%}; {provable(found, limit, gate.confidence)}",
        **measured(found, found.figure, gate.confidence),
    )


def _least_gain(gate: BaselineGate | ChampionGate) -> float:
    """Return the gain that is asked; one below 0 if a loss is allowed."""
    return -gate.margin if isinstance(gate, ChampionGate) and gate.ask == "non_inferior" else gate.margin


def _rule(gate: BaselineGate | ChampionGate, metric: Metric, name: str) -> str:
    """Return what is asked of the gain over the model *name*, in words."""
    sure = f"{gate.confidence:.0%} sure"
    if isinstance(gate, ChampionGate) and gate.ask == "non_inferior":
        return f"{metric} not worse than the {name}'s by more than {gate.margin:g}, {sure}"
    if isinstance(gate, ChampionGate) and gate.ask == "expected":
        return f"{metric} better than the {name}'s by more than {gate.margin:g} on average"
    return f"{metric} better than the {name}'s by more than {gate.margin:g}, {sure}"


def judge_cost(gate: LatencyGate | SizeGate, held_out: HeldOut) -> Finding:
    """Compare what a single row costs in time, or the model's files in room, with the gate's bound."""
    if isinstance(gate, LatencyGate):
        name, rule, told = (
            "latency_ms",
            f"99 of 100 single rows within {gate.at_most:g} ms",
            "ms for a single row",
        )
    else:
        name, rule, told = "size_mb", f"at most {gate.at_most:g} MB", "MB in its files"
    figure = held_out.evaluation.costs.get(name)
    if figure is None:
        detail = "it was not measured; start `regrow train` again"
        return Finding(rule=rule, result="undecided", limit=gate.at_most, detail=detail)
    return Finding(
        rule=rule,
        result=pass_if(figure <= gate.at_most),
        figure=figure,
        limit=gate.at_most,
        detail=f"the model takes {figure:.3g} {told}",
    )
