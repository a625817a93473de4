"""The `deployment` part of a project file: the kinds of rollout and their stages."""

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from regrow.base.errors import ProjectError
from regrow.project import Ab, Canary, Deployment, Project, Replace, RolloutLimits, Shadow
from regrow.project.check import check_project

Make = Callable[..., Project]


def deployment(**rollout: Any) -> Deployment:
    """Read a `deployment` part with *rollout*, as from JSON."""
    return Deployment.model_validate_json(json.dumps({"rollout": rollout}))


def test_a_canary_begins_in_shadow_if_the_file_asks_for_it(project: Make) -> None:
    """Its stages are the shadow, with a weight of nothing, then one for each weight."""
    plan = {"kind": "canary", "shadow_rows": 700, "weights": [0.1, 0.5], "least_rows": 300}
    rollout = project(deployment={"rollout": plan}).deployment.rollout
    assert isinstance(rollout, Canary)
    assert [(stage.weight, stage.least_rows) for stage in rollout.stages] == [
        (0, 700),
        (0.1, 300),
        (0.5, 300),
    ]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"kind": "canary", "weights": [0.5, 0.1]}, "deployment.rollout.canary: weights must grow"),
        ({"kind": "ab", "least_rows": 10, "greatest_rows": 5}, "greatest_rows is below least_rows"),
        ({"kind": "blue-green"}, "deployment.rollout"),
    ],
)
def test_a_rollout_that_cannot_be_is_named(project: Make, plan: dict[str, Any], said: str) -> None:
    """A plan whose stages contradict each other is an error with its key."""
    with pytest.raises(ProjectError, match=said):
        project(deployment={"rollout": plan})


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=4), st.integers(0, 5))
def test_the_weights_of_a_canary_only_grow(weights: list[float], shadow_rows: int) -> None:
    """Weights that grow are taken as they stand, one stage each, and any others are refused."""
    plan = {"kind": "canary", "weights": weights, "shadow_rows": shadow_rows}
    if any(after <= before for before, after in pairwise(weights)):
        with pytest.raises(ValidationError, match="weights must grow"):
            deployment(**plan)
        return
    rollout = deployment(**plan).rollout
    assert isinstance(rollout, Canary)
    assert [stage.weight for stage in rollout.stages] == [0.0] * bool(shadow_rows) + weights


@pytest.mark.parametrize("weights", [[], [0], [1], [0.5, 1], [-0.1]])
def test_a_step_of_a_canary_is_a_part_of_the_traffic(weights: list[float]) -> None:
    """No step, one of nothing and one of everything are no steps of a canary."""
    with pytest.raises(ValidationError, match=r"rollout\.canary\.weights"):
        deployment(kind="canary", weights=weights)


def test_each_stage_keeps_the_least_time() -> None:
    """The least time of a plan is that of each of its stages, of the shadow too."""
    for plan in (
        {"kind": "canary", "shadow_rows": 9, "weights": [0.1], "least_time": "2h"},
        {"kind": "shadow", "least_time": "2h"},
    ):
        rollout = deployment(**plan).rollout
        assert isinstance(rollout, Canary | Shadow)
        assert {stage.least_time for stage in rollout.stages} == {timedelta(hours=2)}


def test_a_shadow_answers_nobody() -> None:
    """A shadow is one stage in which the challenger answers no traffic."""
    rollout = deployment(kind="shadow", least_rows=70).rollout
    assert isinstance(rollout, Shadow)
    assert [(stage.weight, stage.least_rows) for stage in rollout.stages] == [(0.0, 70)]


def test_an_a_b_test_is_one_stage_of_its_split() -> None:
    """An A/B test has one stage, of the share that the file gives the challenger, and no least time."""
    rollout = deployment(kind="ab", split=0.3, least_rows=5, greatest_rows=5).rollout
    assert isinstance(rollout, Ab)
    assert [(stage.weight, stage.least_rows) for stage in rollout.stages] == [(0.3, 5)]
    assert rollout.stages[0].least_time == timedelta(0)


@pytest.mark.parametrize("kind", ["shadow", "canary"])
def test_a_rollout_that_compares_mirrors_some_rows(kind: str) -> None:
    """Without rows that both score there is no metric to compare; an A/B test needs none."""
    with pytest.raises(ValidationError, match=rf"rollout\.{kind}\.mirror"):
        deployment(kind=kind, mirror=0)
    mirrored = deployment(kind="ab", mirror=0).rollout
    assert isinstance(mirrored, Ab)
    assert mirrored.mirror == 0


@pytest.mark.parametrize(
    "limits",
    [
        {"confidence": 0.5},
        {"confidence": 1},
        {"failures": 1.5},
        {"latency_p99": 1},
        {"latency_p50": 0.9},
        {"disagreement": -0.1},
        {"metric_loss": -0.1},
    ],
)
def test_a_limit_that_nothing_keeps_is_refused(limits: dict[str, float]) -> None:
    """A confidence of a coin, a share beyond all, a ratio that equals are no limits."""
    with pytest.raises(ValidationError):
        RolloutLimits.model_validate_json(json.dumps(limits))


def test_a_limit_may_be_switched_off() -> None:
    """Each limit that not every model can keep is switched off by null."""
    off = dict.fromkeys(("latency_p50", "latency_p99", "disagreement", "shift"))
    assert RolloutLimits.model_validate(off).model_dump(include=set(off)) == off


def test_a_version_answers_at_once_unless_the_file_asks_for_a_rollout() -> None:
    """Without a `deployment` the server answers everything by the new version, and must confirm it."""
    assert Deployment() == Deployment(rollout=Replace(kind="replace"), rollout_schedule=None, server=True)
    assert Deployment().timeout == timedelta(seconds=30)


@pytest.mark.parametrize("share", [-0.01, 0.51, 1, "many", None, float("nan")])
def test_a_share_that_cannot_be_held_back_is_named(project: Make, share: Any) -> None:
    """`check` refuses less than nothing, more than half, and what is no number, by its key; half is taken."""
    made = project(deployment={"hold_back": 0.5})
    assert made.deployment.hold_back == 0.5
    assert "ok:" in check_project(made.path)
    content = yaml.safe_load(made.path.read_text()) | {"deployment": {"hold_back": share}}
    made.path.write_text(yaml.safe_dump(content))
    with pytest.raises(ProjectError, match=r"deployment\.hold_back: "):
        check_project(made.path)


def test_the_mark_of_the_hold_back_is_no_column_of_the_source(project: Make) -> None:
    """A carried column of its name is refused while a share is held back, and taken else."""
    scoring = {"columns": ["held_back"]}
    project(scoring=scoring)
    with pytest.raises(ProjectError, match=r"scoring\.columns holds `held_back`"):
        project(scoring=scoring, deployment={"hold_back": 0.02})
