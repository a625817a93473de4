"""The `evaluation` part of a project file: metrics and gates."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from regrow.project import BaselineGate, ChampionGate, EvaluationPlan, SliceGate, ThresholdGate
from regrow.project.metrics import BUILT_IN, Metric

METRICS = sorted(BUILT_IN)
SLICE = {"kind": "slice", "column": "origin", "metric": "rmse"}
THRESHOLD = {"kind": "threshold", "metric": "rmse"}


def plan(**changes: Any) -> EvaluationPlan:
    """Read an `evaluation` part with *changes*, as from JSON."""
    return EvaluationPlan.model_validate_json(json.dumps({"primary": "rmse"} | changes))


@pytest.mark.parametrize("gate", [SLICE, THRESHOLD])
@pytest.mark.parametrize("bounds", [{}, {"at_least": 1, "at_most": 2}])
def test_a_gate_has_one_bound(gate: dict[str, Any], bounds: dict[str, float]) -> None:
    """A gate without a bound passes all, one with two is two gates: both are refused in words."""
    with pytest.raises(ValidationError, match="give either at_least or at_most"):
        plan(gates=[gate | bounds])


@pytest.mark.parametrize("bound", ["at_least", "at_most"])
def test_a_bound_of_nought_is_one(bound: str) -> None:
    """A bound of 0 is a bound, not a missing one."""
    (gate, sliced) = plan(gates=[THRESHOLD | {bound: 0}, SLICE | {bound: 0}]).gates
    assert isinstance(gate, ThresholdGate)
    assert isinstance(sliced, SliceGate)
    assert getattr(gate, bound) == getattr(sliced, bound) == 0


@pytest.mark.parametrize(
    ("gate", "key"),
    [
        (THRESHOLD | {"at_most": float("nan")}, "at_most"),
        (THRESHOLD | {"at_most": float("inf")}, "at_most"),
        ({"kind": "beats_baseline", "margin": -float("inf")}, "margin"),
        ({"kind": "beats_champion", "margin": float("nan")}, "margin"),
    ],
)
def test_a_bound_that_all_or_none_reach_is_refused(gate: dict[str, Any], key: str) -> None:
    """A gate that lets every model through, or none, by a bound that is no number is no gate."""
    with pytest.raises(ValidationError, match=rf"{key}\n.*finite number"):
        plan(gates=[gate])


def test_a_candidate_must_beat_baseline_and_champion_by_default() -> None:
    """Without `gates` a candidate is compared with the baseline, then with the champion."""
    assert [type(gate) for gate in plan().gates] == [BaselineGate, ChampionGate]
    assert plan(gates=[]).gates == ()


@given(
    st.sampled_from(METRICS),
    st.lists(st.sampled_from(METRICS), max_size=4),
    st.lists(st.sampled_from(METRICS), max_size=4),
)
def test_each_metric_is_measured_once(primary: Metric, metrics: list[Metric], gated: list[Metric]) -> None:
    """All that the file names is measured: the primary metric first, each one once."""
    gates = [
        {"kind": "threshold", "metric": metric, "at_least": 0}
        if place % 2
        else {"kind": "slice", "column": "a", "metric": metric, "at_least": 0}
        for place, metric in enumerate(gated)
    ]
    found = plan(primary=primary, metrics=metrics, gates=gates).all_metrics
    assert found[0] == primary
    assert len(set(found)) == len(found)
    assert set(found) == {primary, *metrics, *gated}


@pytest.mark.parametrize("confidence", [0.5, 1.0, 0.1])
def test_a_champion_is_beaten_with_confidence(confidence: float) -> None:
    """A confidence of a coin, and certainty, are refused."""
    with pytest.raises(ValidationError, match=r"beats_champion\.confidence"):
        plan(gates=[{"kind": "beats_champion", "confidence": confidence}])
