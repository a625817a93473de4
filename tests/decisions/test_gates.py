"""The laws of the gates."""

import numpy as np
import pandas as pd
import pytest
from model_facts import NOWHERE, make_facts
from pydantic import ValidationError

from regrow.base.verdict import Finding
from regrow.decisions.gates import decide
from regrow.models.results import Candidate, Evaluation
from regrow.project import (
    BaselineGate,
    ChampionGate,
    EvaluationPlan,
    Gate,
    LatencyGate,
    SizeGate,
    SliceGate,
    ThresholdGate,
)

FACTS = make_facts(False, True, project="tiny")
CANDIDATE = Candidate(model_id="m-1", run_id="r", recipe="x", facts=FACTS)


def evaluation(champion: dict[str, float] | None = None) -> Evaluation:
    return Evaluation(
        candidate=CANDIDATE,
        champion_version=3 if champion else None,
        rows=100,
        metrics={"roc_auc": 0.7},
        baseline={"roc_auc": 0.5},
        champion=champion,
        slices=(),
        predictions=NOWHERE,
    )


def plan(*gates: Gate) -> EvaluationPlan:
    return EvaluationPlan(primary="roc_auc", gates=gates)


def figures(finding: Finding) -> tuple[float, float, float]:
    """Return the figure of *finding* and its two bounds."""
    assert finding.figure is not None
    assert finding.interval is not None
    return finding.figure, *finding.interval


def seen(*, days: int = 20, per_day: int = 20, seed: int = 1, **noise: float) -> pd.DataFrame:
    """Draw what models of so much *noise* predict of the same rows, which stand in `days` days."""
    target = np.random.default_rng(seed).random(days * per_day) < 0.4
    target[:2] = [False, True]
    frame = pd.DataFrame({"target": target, "baseline": 0.4})
    for place, (name, much) in enumerate(noise.items()):
        random = np.random.default_rng([seed, place])
        frame[name] = 1 / (1 + np.exp(-(target - 0.5 + much * random.normal(size=len(target)))))
    return frame.assign(unit=np.repeat(np.arange(days), per_day))


FRAME = seen(candidate=1.0).assign(**{"slice.origin": "JFK"})


def test_no_champion_yet_passes():
    """Without a champion there is nothing to beat."""
    verdict = decide(plan(ChampionGate(kind="beats_champion")), evaluation(), FRAME, "day")
    assert verdict.passed
    assert "no champion yet" in verdict.reason


def test_refusal_gives_figure_interval_rows_and_units():
    """A refusal by the champion states gain, bounds, confidence, rows, days, and what such a holdout can prove."""
    frame = seen(candidate=1.0, champion=1.0).assign(champion=lambda rows: rows["candidate"])
    verdict = decide(plan(ChampionGate(kind="beats_champion")), evaluation({"roc_auc": 0.7}), frame, "day")
    (finding,) = verdict.failures
    assert (finding.figure, finding.interval, finding.confidence, finding.rows) == (0, (0, 0), 0.95, 400)
    assert (finding.units, finding.unit, finding.effective_rows) == (20, "day", 400)
    assert "of champion 3 on 400 rows of 20 days" in verdict.reason
    assert "such a holdout proves gains above 0.0000" in verdict.reason


def test_a_much_better_candidate_passes():
    """A model that is far better is told from noise with a few hundred rows of a few weeks."""
    frame = seen(candidate=0.2, champion=5.0)
    verdict = decide(plan(ChampionGate(kind="beats_champion")), evaluation({"roc_auc": 0.5}), frame, "day")
    assert verdict.passed
    assert figures(verdict.findings[0])[1] > 0


def test_a_gain_that_is_not_proven_says_how_long_a_holdout_would_prove_it():
    """A refusal names the least gain that such a holdout proves, and how many days the measured one would take."""
    frame = seen(candidate=1.0, champion=1.02, per_day=10, seed=3)
    gate = ChampionGate(kind="beats_champion")
    (finding,) = decide(plan(gate), evaluation({"roc_auc": 0.7}), frame, "day").findings
    assert finding.failed
    figure, low, _ = figures(finding)
    least = figure - low
    needed = int(finding.detail.split("about ")[1].split(" days")[0])
    assert f"such a holdout proves gains above {least:.4f}" in finding.detail
    assert needed == np.ceil(20 * (least / figure) ** 2)


def test_what_is_asked_of_the_gain_is_a_choice():
    """A gain that may be luck is no proof, is one on average, and proves that no loss beyond the margin is there."""
    frame = seen(candidate=1.0, champion=1.02, seed=8)
    asked = {
        "proven": ChampionGate(kind="beats_champion"),
        "expected": ChampionGate(kind="beats_champion", ask="expected"),
        "not 0.1 worse": ChampionGate(kind="beats_champion", ask="non_inferior", margin=0.1),
        "not 0.0001 worse": ChampionGate(kind="beats_champion", ask="non_inferior", margin=0.0001),
    }
    given = evaluation({"roc_auc": 0.5})
    judged = {name: decide(plan(gate), given, frame, "day").findings[0] for name, gate in asked.items()}
    gain, lower, _ = figures(judged["proven"])
    assert gain > 0 > lower > -0.1
    assert {name: found.result for name, found in judged.items()} == {
        "proven": "fail",
        "expected": "pass",
        "not 0.1 worse": "pass",
        "not 0.0001 worse": "fail",
    }
    assert "on average" in judged["expected"].rule
    assert [found.limit for found in judged.values()] == [0, 0, -0.1, -0.0001]
    least = gain - lower - 0.1
    assert f"rules out a greater loss if the gain is above {least:.4f}" in judged["not 0.1 worse"].detail
    assert "would prove this one" in judged["not 0.0001 worse"].detail
    with pytest.raises(ValidationError, match="non_inferior needs a margin above 0"):
        ChampionGate(kind="beats_champion", ask="non_inferior")


@pytest.mark.parametrize("name", ["baseline", "champion"])
def test_few_days_prove_nothing_however_many_rows(name: str):
    """Nine days leave a gain undecided, and the finding says what to do about it."""
    gate = {"baseline": BaselineGate(kind="beats_baseline"), "champion": ChampionGate(kind="beats_champion")}[
        name
    ]
    frame = seen(candidate=0.2, champion=5.0, days=9, per_day=100)
    verdict = decide(plan(gate), evaluation({"roc_auc": 0.5}), frame, "day")
    assert verdict.undecided
    assert "9 days of 10 that it takes; hold out more (training.window, data.split.holdout)" in verdict.reason


def test_random_labels_with_five_positives_are_not_promoted():
    """A holdout that is nearly all of one class proves nothing, whatever chance gave the candidate."""
    frame = seen(candidate=1.0, days=2000, per_day=1).assign(target=lambda rows: rows.index < 5)
    frame["candidate"] = frame["target"] * 0.001 + 0.001
    given = evaluation().model_copy(update={"metrics": {"average_precision": 0.0016}})
    given = given.model_copy(update={"baseline": {"average_precision": 0.0013}})
    gates = (BaselineGate(kind="beats_baseline"),)
    verdict = decide(EvaluationPlan(primary="average_precision", gates=gates), given, frame, "row")
    assert verdict.undecided
    assert "the rarest class stands in 5 rows of 10 that it takes" in verdict.reason


def test_a_lucky_point_does_not_beat_the_baseline():
    """What is above the baseline by chance alone is refused: the bound decides, not the figure."""
    frame = seen(candidate=1.0, seed=8)
    frame["candidate"] = np.random.default_rng(6).random(len(frame))
    (finding,) = decide(plan(BaselineGate(kind="beats_baseline")), evaluation(), frame, "day").findings
    assert figures(finding)[0] > 0
    assert finding.failed


def test_threshold_and_baseline_refuse_below_their_limits():
    """A figure under its threshold, or too near the baseline, fails its gate."""
    gates = (
        ThresholdGate(kind="threshold", metric="roc_auc", at_least=0.8),
        BaselineGate(kind="beats_baseline", margin=0.3),
    )
    assert len(decide(plan(*gates), evaluation(), FRAME, "day").failures) == 2


def test_slices_without_enough_rows_are_undecided():
    """A slice gate that could judge no slice does not let the candidate through, and says what to do."""
    gate = SliceGate(kind="slice", column="origin", metric="roc_auc", at_least=0.6)
    frame = FRAME.assign(**{"slice.origin": FRAME["slice.origin"].where(FRAME.index < 100)})
    verdict = decide(plan(gate), evaluation(), frame, "day")
    assert verdict.undecided
    assert f"no origin has {gate.least_rows} rows to judge roc_auc on: hold out more rows" in verdict.reason


def test_a_champion_that_cannot_be_measured_is_undecided():
    """A champion that gave no figure is neither beaten nor absent, and the reason says what stood in the way."""
    why = {"champion_version": 3, "champion_obstacle": "champion 3 cannot be compared: its column is gone"}
    unmeasured = evaluation().model_copy(update=why)
    verdict = decide(plan(ChampionGate(kind="beats_champion")), unmeasured, FRAME, "day")
    assert verdict.undecided
    assert verdict.reason.startswith(
        "champion 3 cannot be compared: its column is gone, undecided: roc_auc better than the champion's"
    )


def test_one_undecided_gate_keeps_the_candidate_out():
    """A gate that passes does not make up for one that is undecided; one that fails decides."""
    good = ThresholdGate(kind="threshold", metric="roc_auc", at_least=0.6)
    bad = ThresholdGate(kind="threshold", metric="roc_auc", at_least=0.8)
    unknown = SliceGate(kind="slice", column="origin", metric="roc_auc", at_least=0.6, least_rows=1000)
    assert decide(plan(good, unknown), evaluation(), FRAME, "day").result == "undecided"
    assert decide(plan(good, unknown, bad), evaluation(), FRAME, "day").result == "fail"
    assert decide(plan(good), evaluation(), FRAME, "day").result == "pass"


def sliced(*noise: float, per_day: int = 100) -> pd.DataFrame:
    """Draw a slice for each *noise* of the candidate in it: `s0`, then `s1`."""
    parts = [
        seen(candidate=much, per_day=per_day, seed=place).assign(**{"slice.origin": f"s{place}"})
        for place, much in enumerate(noise)
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_slice_is_refused_if_it_is_proven_bad_and_not_before():
    """A slice far below the bound is named with its interval; one that lies a little below is not proven to."""
    gate = SliceGate(kind="slice", column="origin", metric="roc_auc", at_least=0.75)
    refused = decide(plan(gate), evaluation(), sliced(0.8, 20.0), "day")
    (finding,) = refused.failures
    assert "proven beyond it s1" in finding.detail
    assert "s0" not in finding.detail
    assert figures(finding)[2] < 0.75
    assert (finding.units, finding.confidence) == (20, 0.975)
    near = decide(plan(gate), evaluation(), sliced(0.8, 1.1, per_day=15), "day").findings[0]
    assert figures(near)[0] < 0.75 < figures(near)[2]
    assert near.passed


def test_faultless_slices_are_seldom_refused() -> None:
    """Of candidates that lie at the bound in each of five slices, about one in twenty is refused, not one in four."""
    limit = 0.5
    gate = SliceGate(kind="slice", column="origin", metric="roc_auc", at_least=limit, least_rows=50)
    frame, refused = sliced(*[1.0] * 5, per_day=5), 0
    for seed in range(100):
        frame["candidate"] = np.random.default_rng(seed).random(len(frame))
        refused += decide(plan(gate), evaluation(), frame, "day").result == "fail"
    assert refused <= 11


def test_the_champion_is_beaten_by_decisions_of_each_models_threshold() -> None:
    """With the same probabilities, the candidate's better threshold is a gain of f1, and none of roc_auc."""
    frame = seen(candidate=1.0).assign(champion=lambda rows: rows["candidate"])
    found = {}
    for metric in ("f1", "roc_auc"):
        given = evaluation().model_copy(
            update={"metrics": {metric: 0.5}, "champion": {metric: 0.5}, "thresholds": {"champion": 0.95}}
        )
        gates = (ChampionGate(kind="beats_champion"),)
        found[metric] = (
            decide(EvaluationPlan(primary=metric, gates=gates), given, frame, "day").findings[0].figure
        )
    assert found["f1"] > 0.1
    assert found["roc_auc"] == 0


def test_what_the_model_costs_is_judged_by_what_was_measured():
    """Time and room are compared with the bound; what was not measured is undecided."""
    gates = LatencyGate(kind="latency", at_most=10), SizeGate(kind="size", at_most=2)
    measured = evaluation().model_copy(update={"costs": {"latency_ms": 12.5, "size_mb": 1.25}})
    slow, small = decide(plan(*gates), measured, FRAME, "day").findings
    assert (slow.result, slow.figure, slow.limit) == ("fail", 12.5, 10)
    assert (small.result, small.figure, small.limit) == ("pass", 1.25, 2)
    assert all(finding.undecided for finding in decide(plan(*gates), evaluation(), FRAME, "day").findings)
