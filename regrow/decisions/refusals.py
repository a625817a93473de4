"""Gates that refuse a candidate only for what is proven: of several figures, one that lies beyond its bound.

Each figure has an interval by unit. Over all figures of a gate together a faultless candidate is refused with
probability 1 - `confidence` at most (Holm 1979). Where nothing can be measured, the gate is undecided.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from regrow.base.verdict import Finding, pass_if
from regrow.decisions.estimates import Estimate, compare_means, independent_gain
from regrow.decisions.held_out import HeldOut, measured, undecided
from regrow.models.metrics import decide_by, sign
from regrow.project import CalibrationGate, FairnessGate, Metric, RobustnessGate, SliceGate

HOLD_OUT_MORE = "hold out more rows"
FEWER = f"{HOLD_OUT_MORE}, or lower the gate's least_rows"
TWO_CLASSES = "fairness compares decisions between two classes"
HALF = 0.5
"""The probability from which a model without a threshold of its own decides for the second class."""


def judge_slices(gate: SliceGate, held_out: HeldOut) -> Finding:
    """Ask that no slice with enough rows is proven to break the gate's bound; report the worst."""
    rule = f"{gate.words} in every {gate.column} of {gate.least_rows} rows or more"
    large = _groups(held_out, gate.column, gate.least_rows)
    found = {name: held_out.measure(gate.metric, rows) for name, rows in large.items()}
    missing = f"no {gate.column} has {gate.least_rows} rows to judge {gate.metric} on", FEWER
    asked = _Asked(rule, f"{gate.metric} by {gate.column}", gate.limit, gate.beyond, gate.confidence)
    return _judge_worst(asked, found, held_out, *missing)


def judge_fairness(gate: FairnessGate, held_out: HeldOut) -> Finding:
    """Ask that no two groups of a column are proven to be decided about more differently than the gate allows.

    Demographic parity, equal opportunity and equalized odds are as Hardt, Price and Srebro (2016) and Fairlearn define
    them, as differences; of several groups each pair is compared.
    """
    named = gate.ask.replace("_", " ")
    rule = f"{named} between every {gate.column} within {gate.at_most:g}"
    if held_out.evaluation.candidate.facts.kind != "binary":
        detail = f"{TWO_CLASSES}, and this model has others; take a slice gate"
        return undecided(rule, gate.at_most, detail, held_out)
    decided = _decisions(held_out)
    positive = held_out.truth == 1
    compared: dict[str, NDArray[np.bool_]] = {
        "demographic_parity": {"chosen": np.ones(len(decided), dtype=np.bool_)},
        "equal_opportunity": {"chosen of the positive": positive},
        "equalized_odds": {"chosen of the positive": positive, "chosen of the negative": ~positive},
    }[gate.ask]
    large = _groups(held_out, gate.column, gate.least_rows)
    found: dict[str, Estimate | str] = {}
    for (one, first), (other, second) in combinations(large.items(), 2):
        for what, rows in compared.items():
            gap = compare_means(decided, first & rows, second & rows, held_out.units)
            found[f"{one} against {other} ({what})"] = gap
    missing = f"fewer than two {gate.column} have {gate.least_rows} rows to compare", FEWER
    asked = _Asked(rule, f"{named} by {gate.column}", gate.at_most, _farther(gate.at_most), gate.confidence)
    return _judge_worst(asked, found, held_out, *missing)


def judge_calibration(gate: CalibrationGate, held_out: HeldOut) -> Finding:
    """Ask that in no part of the probabilities they are proven to be farther from the shares than the gate allows.

    Of two classes the second is judged, of several each. Parts hold equally many rows (equal-mass bins, as in
    Nguyen and O'Connor 2015), but equal probabilities stand in one part.
    """
    rule = f"probabilities within {gate.at_most:g} of what happened, in each of {gate.bins} parts"
    classes = held_out.evaluation.candidate.facts.classes
    if not classes:
        return undecided(
            rule, gate.at_most, "a regression has no probabilities; leave the gate out", held_out
        )
    found: dict[str, Estimate | str] = {}
    for place in (1,) if len(classes) == 2 else range(len(classes)):
        probability = held_out.candidate[:, place]
        off = (held_out.truth == place) - probability
        for part in _parts(probability, gate.bins):
            span = f"{probability[part].min():.3f} to {probability[part].max():.3f}"
            of = "" if len(classes) == 2 else f"{classes[place]!r} "
            found[f"{of}{span}"] = compare_means(off, part, None, held_out.units)
    told = "share less probability"
    asked = _Asked(rule, told, gate.at_most, _farther(gate.at_most), gate.confidence)
    return _judge_worst(asked, found, held_out, "no part has enough", HOLD_OUT_MORE)


def judge_robustness(gate: RobustnessGate, metric: Metric, held_out: HeldOut) -> Finding:
    """Ask that no loss above what is allowed is proven from the older part of the holdout to the newest."""
    rule = f"{metric} on the newest {gate.newest:.0%} of the holdout's time not worse by more than {gate.at_most:g}"
    newest = held_out.newest(gate.newest)
    new, old = held_out.measure(metric, newest), held_out.measure(metric, ~newest)
    if isinstance(new, str) or isinstance(old, str):
        named = {"the newest part": new, "the older part": old}
        obstacles = [f"{name} has {each}" for name, each in named.items() if isinstance(each, str)]
        return undecided(rule, -gate.at_most, f"{'; '.join(obstacles)}; {HOLD_OUT_MORE}", held_out)
    gain = independent_gain(new, old, sign(metric), held_out.units)
    told = f"{metric} {new.figure:.4f} on the newest part, {old.figure:.4f} on the older: gain"
    asked = _Asked(rule, told, -gate.at_most, lambda figure: -figure - gate.at_most, gate.confidence)
    return _judge_worst(asked, {"of the newest": gain}, held_out, "", HOLD_OUT_MORE)


def refuted(doubts: Mapping[str, float], alpha: float) -> list[str]:
    """Name those whose *doubts* (p-values) Holm's steps reject, together at *alpha*, the clearest first."""
    ordered = sorted(doubts, key=lambda name: doubts[name])
    for place, name in enumerate(ordered):
        if doubts[name] > alpha / (len(ordered) - place):
            return ordered[:place]
    return ordered


@dataclass(frozen=True)
class _Asked:
    """What a gate asks of each of several figures."""

    rule: str
    told: str
    """What the figures are, in words."""
    limit: float
    beyond: Callable[[float], float]
    """Returns how far a figure lies on the wrong side."""
    confidence: float


def _farther(limit: float) -> Callable[[float], float]:
    """Return how much farther from 0 than *limit* a figure lies."""
    return lambda figure: abs(figure) - limit


def _judge_worst(
    asked: _Asked, found: Mapping[str, Estimate | str], held_out: HeldOut, missing: str, remedy: str
) -> Finding:
    """Refuse if one of the figures *found* is proven to lie beyond its limit; report those, or else the nearest.

    The first of Holm's steps decides whether one is refused, so the interval is shown at the confidence of that step.
    If nothing could be measured, what is *missing* is told, and the *remedy*.
    """
    judged = {name: each for name, each in found.items() if isinstance(each, Estimate)}
    if not judged:
        why = next((f" ({each})" for each in found.values() if isinstance(each, str)), "")
        return undecided(asked.rule, asked.limit, f"{missing}{why}: {remedy}", held_out)
    beyond = {name: asked.beyond(each.figure) for name, each in judged.items()}
    doubts = {name: each.doubt(beyond[name]) for name, each in judged.items()}
    refused = refuted(doubts, 1 - asked.confidence)
    worst = min(doubts, key=lambda name: (doubts[name], -beyond[name]))
    step = 1 - (1 - asked.confidence) / len(judged)
    named = ", ".join(_describe(name, judged[name], step) for name in refused or [worst])
    outcome = "proven beyond it" if refused else f"none of {len(judged)} proven beyond it, nearest"
    return Finding(
        rule=asked.rule,
        result=pass_if(not refused),
        figure=judged[worst].figure,
        limit=asked.limit,
        detail=f"{asked.told}: {outcome} {named}",
        **measured(judged[worst], judged[worst].figure, step),
    )


def _describe(name: str, found: Estimate, confidence: float) -> str:
    radius = found.radius(confidence)
    bounds = f"{found.figure - radius:.4f} to {found.figure + radius:.4f}"
    return f"{name} {found.figure:.4f} ({bounds}, {found.counted})"


def _groups(held_out: HeldOut, column: str, least_rows: int) -> dict[str, NDArray[np.bool_]]:
    """Return which rows have each value of *column* that has enough of them."""
    return {name: rows for name, rows in held_out.slices(column).items() if rows.sum() >= least_rows}


def _decisions(held_out: HeldOut) -> NDArray[np.float64]:
    """Return 1 for each row that the candidate decides for the second class for, else 0."""
    threshold = held_out.evaluation.thresholds.get("candidate", HALF)
    return decide_by(held_out.candidate, threshold)[:, 1]


def _parts(probability: NDArray[np.float64], bins: int) -> Iterable[NDArray[np.bool_]]:
    """Cut the rows into *bins* parts of equal size by *probability*; equal ones stay together."""
    edges = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    codes = np.searchsorted(np.unique(edges), probability, side="right")
    return [codes == code for code in np.unique(codes)]
