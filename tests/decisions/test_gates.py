"""The laws of the gates."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_facts import NOWHERE, make_facts

from regrow.decisions.bootstrap import resample_gain
from regrow.decisions.gates import decide
from regrow.project import BaselineGate, ChampionGate, EvaluationPlan, SliceGate, ThresholdGate
from regrow.results import Candidate, Evaluation, SliceMetrics

FACTS = make_facts(False, True, project="tiny")
CANDIDATE = Candidate(model_id="m-1", run_id="r", recipe="x", facts=FACTS)


def rows(count: int, seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw a target and a model of it; more *noise* is a worse model."""
    random = np.random.default_rng(seed)
    target = random.random(count) < 0.4
    target[:2] = [False, True]
    positive = 1 / (1 + np.exp(-(target - 0.5 + noise * random.normal(size=count))))
    return target, np.column_stack([1 - positive, positive])


def evaluation(champion: dict[str, float] | None = None, slices: tuple[SliceMetrics, ...] = ()) -> Evaluation:
    return Evaluation(
        candidate=CANDIDATE,
        champion_version=3 if champion else None,
        rows=100,
        metrics={"roc_auc": 0.7},
        baseline={"roc_auc": 0.5},
        champion=champion,
        slices=slices,
        predictions=NOWHERE,
    )


def plan(*gates) -> EvaluationPlan:
    return EvaluationPlan(primary="roc_auc", gates=gates)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), metric=st.sampled_from(["roc_auc", "log_loss", "accuracy", "f1"]))
def test_row_order_does_not_matter(seed, metric):
    """The gain and its bounds are the same in any order of the rows."""
    target, better = rows(60, seed, 0.5)
    _, worse = rows(60, seed, 3.0)
    order = np.random.default_rng(seed + 1).permutation(60)
    classes = (False, True)
    gain = resample_gain(metric, target, better, worse, classes, resamples=100)
    assert resample_gain(metric, target[order], better[order], worse[order], classes, resamples=100) == gain


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_equal_model_never_beats_itself(seed):
    """A model gains nothing over itself, so a margin of 0 refuses it."""
    target, model = rows(80, seed, 1.0)
    gain = resample_gain("roc_auc", target, model, model, (False, True), resamples=100)
    assert gain == (0, 0, 0)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_much_better_model_passes(seed):
    """A model that is far better is told from noise with a few hundred rows."""
    target, better = rows(400, seed, 0.2)
    _, worse = rows(400, seed, 20.0)
    assert resample_gain("roc_auc", target, better, worse, (False, True), resamples=100).lower > 0


def test_gain_of_an_error_is_its_fall():
    """A smaller error is a positive gain."""
    truth = np.arange(50.0)
    assert resample_gain("rmse", truth, truth + 1, truth + 3).figure == pytest.approx(2)


def test_no_champion_yet_passes():
    """Without a champion there is nothing to beat."""
    verdict = decide(plan(ChampionGate(kind="beats_champion")), evaluation(), pd.DataFrame())
    assert verdict.passed
    assert "no champion yet" in verdict.reason


def test_refusal_gives_figure_interval_and_rows():
    """A refusal by the champion states gain, bounds, confidence and rows."""
    target, model = rows(100, 1, 1.0)
    frame = pd.DataFrame({"target": target, "candidate": model[:, 1], "champion": model[:, 1]})
    verdict = decide(plan(ChampionGate(kind="beats_champion")), evaluation({"roc_auc": 0.7}), frame)
    (finding,) = verdict.failures
    assert (finding.figure, finding.interval, finding.confidence, finding.rows) == (0, (0, 0), 0.95, 100)
    assert "champion 3 on 100 rows" in verdict.reason


def test_threshold_and_baseline_refuse_below_their_limits():
    """A figure under its threshold, or too near the baseline, fails its gate."""
    gates = (
        ThresholdGate(kind="threshold", metric="roc_auc", at_least=0.8),
        BaselineGate(kind="beats_baseline", margin=0.3),
    )
    assert len(decide(plan(*gates), evaluation(), pd.DataFrame()).failures) == 2


def test_slices_without_enough_rows_are_undecided():
    """A slice gate that could judge no slice does not let the candidate through, and says what to do."""
    small = SliceMetrics(column="origin", value="JFK", rows=10, metrics={"roc_auc": 0.9})
    gate = SliceGate(kind="slice", column="origin", metric="roc_auc", at_least=0.6)
    verdict = decide(plan(gate), evaluation(slices=(small,)), pd.DataFrame())
    assert verdict.undecided
    assert f"no origin has {gate.least_rows} rows to judge roc_auc on: hold out more rows" in verdict.reason


def test_a_champion_that_cannot_be_measured_is_undecided():
    """A champion that gave no figure is neither beaten nor absent, and the reason says what stood in the way."""
    why = {"champion_version": 3, "champion_obstacle": "champion 3 cannot be compared: its column is gone"}
    unmeasured = evaluation().model_copy(update=why)
    verdict = decide(plan(ChampionGate(kind="beats_champion")), unmeasured, pd.DataFrame())
    assert verdict.undecided
    assert verdict.reason.startswith(
        "champion 3 cannot be compared: its column is gone, undecided: roc_auc better than the champion's"
    )


def test_one_undecided_gate_keeps_the_candidate_out():
    """A gate that passes does not make up for one that is undecided; one that fails decides."""
    good = ThresholdGate(kind="threshold", metric="roc_auc", at_least=0.6)
    bad = ThresholdGate(kind="threshold", metric="roc_auc", at_least=0.8)
    unknown = SliceGate(kind="slice", column="origin", metric="roc_auc", at_least=0.6)
    assert decide(plan(good, unknown), evaluation(), pd.DataFrame()).result == "undecided"
    assert decide(plan(good, unknown, bad), evaluation(), pd.DataFrame()).result == "fail"
    assert decide(plan(good), evaluation(), pd.DataFrame()).result == "pass"


def test_slice_names_the_failing_value_and_skips_small_ones():
    """A bad slice is named; one with too few rows is not judged."""
    slices = (
        SliceMetrics(column="origin", value="EWR", rows=500, metrics={"roc_auc": 0.5}),
        SliceMetrics(column="origin", value="JFK", rows=10, metrics={"roc_auc": 0.1}),
    )
    gate = SliceGate(kind="slice", column="origin", metric="roc_auc", at_least=0.6)
    verdict = decide(plan(gate), evaluation(slices=slices), pd.DataFrame())
    assert not verdict.passed
    assert "EWR" in verdict.reason
    assert "JFK" not in verdict.reason


def test_the_champion_is_beaten_by_decisions_of_each_models_threshold() -> None:
    """With the same probabilities, the candidate's better threshold is a gain of f1, and none of roc_auc."""
    target, positive = rows(400, 1, 1.0)
    frame = pd.DataFrame({"target": target, "candidate": positive[:, 1], "champion": positive[:, 1]})
    found = {}
    for metric in ("f1", "roc_auc"):
        given = evaluation().model_copy(
            update={"metrics": {metric: 0.5}, "champion": {metric: 0.5}, "thresholds": {"champion": 0.95}}
        )
        gates = (ChampionGate(kind="beats_champion"),)
        found[metric] = decide(EvaluationPlan(primary=metric, gates=gates), given, frame).findings[0].figure
    assert found["f1"] > 0.1
    assert found["roc_auc"] == 0
