"""The rollout flow: train starts it, looks move it, on real Prefect and MLflow servers; the traffic is written."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prefect.client.orchestration import get_client

from flows.rollback import rollback
from flows.rollout import rollout
from flows.train import train
from regrow import registry
from regrow.base.errors import RegistryError
from regrow.base.verdict import COLUMNS
from regrow.data.labels import append_labels
from regrow.lineage.trace import trace
from regrow.project import Project
from regrow.registry import State

Traffic = Callable[..., None]
FIRST, SECOND = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 15, tzinfo=UTC)
LATER = datetime(2024, 3, 2, tzinfo=UTC)
CANARY = {"kind": "canary", "weights": [0.2, 0.5], "shadow_rows": 100, "least_rows": 15}


def drawn(count: int = 2400) -> pd.DataFrame:
    """Draw rows over two months whose target depends on `size`."""
    random = np.random.default_rng(5)
    size = random.normal(size=count)
    return pd.DataFrame(
        {
            "id": [f"r{index}" for index in range(count)],
            "at": pd.date_range("2024-01-01", "2024-02-29", periods=count, tz="UTC"),
            "size": size,
            "late": (size + random.normal(scale=0.5, size=count) > 0).astype(int),
        }
    )


def live(part: int, parts: int = 4) -> pd.DataFrame:
    """Return one of the *parts* in which the rows after the second training arrive."""
    frame = drawn()
    later = frame[frame["at"] >= SECOND]
    return later.iloc[part * len(later) // parts : (part + 1) * len(later) // parts]


DEPLOYED = {"server": False, "rollout": CANARY}


def train_two(project: Callable[..., Project]) -> Project:
    """Train a champion and a challenger, whose rollout is then open."""
    made = project(drawn(), deployment=DEPLOYED, evaluation={"primary": "roc_auc", "gates": []})
    assert train(made.path, FIRST).passed
    assert train(made.path, SECOND).passed
    return made


@pytest.fixture
def trained(services: object, project: Callable[..., Project]) -> Project:
    """Return a model whose two trainings belong to one test."""
    return train_two(project)


@pytest.fixture(scope="module")
def trained_once(services: object, shared_project: Callable[..., Project]) -> Project:
    """Return a model whose versions others take over."""
    return train_two(shared_project)


@pytest.fixture
def rolling(trained_once: Project, taken_over: Callable[..., Project]) -> Callable[..., Project]:
    """Return a model with a champion and a challenger, whose rollout is open."""

    def make(plan: dict[str, object] | None = None) -> Project:
        made = taken_over(trained_once, deployment=DEPLOYED | {"rollout": plan or CANARY})
        registry.promote(made.name, 1, "test", "first", as_of=FIRST)
        chosen = made.deployment.rollout
        assert chosen.kind != "replace"
        registry.start_rollout(made.name, 2, chosen, "test", "passed", SECOND)
        return made

    return make


def kinds(project: Project) -> list[str]:
    return [move.kind for move in registry.ledger(project.name)]


def status(project: Project, number: int) -> str | None:
    return registry.version(project.name, number).tags.get("regrow.status")


@pytest.mark.parametrize("start", [pytest.param("now", marks=pytest.mark.long), "by schedule"], indirect=True)
def test_runs_now_and_by_schedule(
    services: object, project: Callable[..., Project], traffic: Traffic, start: Callable[..., Any]
) -> None:
    """Without `as_of` a look sees the labels known by now; `rollback` takes its move back, whoever starts them."""
    frame = drawn()
    frame = frame.assign(at=frame["at"] + (pd.Timestamp.now("UTC") - frame["at"].iloc[-1]))
    made = project(
        frame,
        deployment={"server": False, "rollout": {"kind": "shadow", "least_rows": 100}},
        evaluation={"primary": "roc_auc", "gates": []},
    )
    train(made.path, datetime.now(UTC) - timedelta(days=30))
    train(made.path, datetime.now(UTC) - timedelta(days=15))
    assert kinds(made) == ["promote", "start"]
    traffic(made, frame[frame["at"] >= datetime.now(UTC) - timedelta(days=10)])
    assert start(rollout, config=made.path).outcome == "advance"
    assert registry.state(made.name).champion == 2
    assert start(rollback, config=made.path, reason="complaints").passed
    assert registry.state(made.name).champion == 1
    assert all(
        abs(move.as_of - datetime.now(UTC)) < timedelta(minutes=5) for move in registry.ledger(made.name)[2:]
    )


def test_from_shadow_to_champion(trained: Project, traffic: Traffic) -> None:
    """One look takes at most one step; with no new rows it holds; at the end the challenger is champion."""
    project = trained
    assert kinds(project) == ["promote", "start"]
    assert status(project, 2) == "rolling out"
    assert rollout(project.path, LATER).outcome == "hold"
    outcomes = []
    for part in range(3):
        traffic(project, live(part))
        outcomes.append(rollout(project.path, LATER).outcome)
    assert outcomes == ["advance", "advance", "advance"]
    assert kinds(project) == ["promote", "start", "advance", "advance", "finish"]
    assert registry.state(project.name) == State(champion=2, move=5)
    assert [move.rows for move in registry.ledger(project.name)] == [
        0,
        0,
        *(len(live(part)) for part in range(3)),
    ]
    ended = rollout(project.path, LATER)
    assert (ended.passed, ended.outcome) == (True, "hold")
    assert "no rollout is open; version 2 answers everything" in ended.reason
    lines = trace(f"models:/{project.name}/2")
    assert [name for name, _ in lines if name in {"approved by", "moved by"}] == ["moved by"] * 3 + [
        "approved by"
    ]
    again = train(project.path, SECOND)
    assert again.passed
    assert len(kinds(project)) == 5


def test_a_bad_challenger_is_rolled_back_in_shadow(trained: Project, traffic: Traffic) -> None:
    """One that ranks the wrong way round never answers anybody; the record says which limit broke, on which rows."""
    project = trained
    traffic(project, live(0, 1), spoilt=True)
    verdict = rollout(project.path, LATER)
    assert (verdict.outcome, verdict.passed) == ("roll back", False)
    assert "roc_auc" in verdict.reason
    assert registry.state(project.name) == State(champion=1, move=3)
    assert status(project, 2) == "rolled back"
    tags = registry.connect().get_registered_model(project.name).tags
    evidence = json.loads(tags["regrow.rollout.evidence"])
    assert (evidence["outcome"], evidence["figures"]["challenger.rows"]) == ("roll back", len(live(0, 1)))
    again = train(project.path, SECOND)
    assert (again.passed, again.decision) == (False, "deploy")
    assert "had its rollout" in again.reason
    assert kinds(project) == ["promote", "start", "roll back"]


@pytest.mark.long
def test_a_label_that_is_no_class_is_left_out(rolling: Callable[..., Project], traffic: Traffic) -> None:
    """Labels that fit no model, told before they were checked, are counted and end no look."""
    project, frame = rolling(), live(0)
    traffic(project, frame)
    told = pd.DataFrame(
        {"entity_id": frame["id"].head(5), "label": "banana", "labelled_at": frame["at"].iloc[-1]}
    )
    assert append_labels(project.name, told, "early", origin="labels") == 5
    assert rollout(project.path, LATER).outcome == "advance"
    tags = registry.connect().get_registered_model(project.name).tags
    figures = json.loads(tags["regrow.rollout.evidence"])["figures"]
    assert figures["labels.unfit"] > 0
    assert figures["pairs.labelled"] == figures["pairs"] - figures["labels.unfit"]


@pytest.mark.long
def test_a_failing_challenger_is_rolled_back(rolling: Callable[..., Project], traffic: Traffic) -> None:
    """Rows on which it fell back to the champion count against it."""
    project = rolling({**CANARY, "shadow_rows": 0})
    traffic(project, live(0, 1), failing=True)
    verdict = rollout(project.path, LATER)
    assert verdict.outcome == "roll back"
    assert status(project, 2) == "rolled back"


@pytest.mark.long
def test_paused_it_holds_but_still_rolls_back(rolling: Callable[..., Project], traffic: Traffic) -> None:
    """Paused, a good challenger stays in its stage until it is resumed; a bad one goes all the same."""
    project = rolling()
    registry.pause(project.name, "ada", "holiday")
    traffic(project, live(0))
    held = rollout(project.path, LATER)
    assert (held.outcome, held.reason.startswith("paused; it would advance")) == ("hold", True)
    registry.resume(project.name, "ada", "back")
    assert rollout(project.path, LATER).outcome == "advance"
    registry.pause(project.name, "ada", "again")
    traffic(project, pd.concat([live(1), live(2)]), failing=True)
    assert rollout(project.path, LATER).outcome == "roll back"


@pytest.mark.long
def test_a_comparison_without_a_winner_keeps_the_champion(
    rolling: Callable[..., Project], traffic: Traffic
) -> None:
    """An A/B test that spends its rows without a difference ends, and the champion stays."""
    plan = {"kind": "ab", "split": 0.5, "least_rows": 50, "greatest_rows": 200, "smallest_difference": 0.05}
    project = rolling(plan)
    traffic(project, live(0, 1))
    verdict = rollout(project.path, LATER)
    assert verdict.outcome == "no difference", verdict.reason
    assert registry.state(project.name).champion == 1
    assert status(project, 2) == "not better"


def test_another_writer_ends_the_look_cleanly(
    rolling: Callable[..., Project], traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody moves between the look and the move, nothing is done and the verdict says who came first."""
    import flows.rollout

    project = rolling()
    traffic(project, live(0))
    examine = flows.rollout.examine_rollout

    def meanwhile(*args: object) -> object:
        verdict = examine(*args)  # pyright: ignore[reportArgumentType]
        registry.pause(project.name, "ada", "holiday")
        return verdict

    monkeypatch.setattr(flows.rollout, "examine_rollout", meanwhile)
    verdict = rollout(project.path, LATER)
    assert (verdict.outcome, verdict.passed) == ("hold", False)
    assert "another writer moved first (pause by ada: holiday)" in verdict.reason
    assert kinds(project) == ["promote", "start", "pause"]


def test_a_newer_challenger_supersedes(rolling: Callable[..., Project]) -> None:
    """A training that passes while a rollout is open starts its own, and the record says what became of the other."""
    project = rolling()
    assert train(project.path, datetime(2024, 2, 20, tzinfo=UTC)).passed
    assert (registry.state(project.name).challenger, status(project, 2)) == (3, "superseded")


@pytest.mark.long
def test_rolled_back_by_hand(rolling: Callable[..., Project], traffic: Traffic) -> None:
    """The flow ends the open rollout, then moves the champion; the actor is the flow run, the reason the person's."""
    project = rolling({"kind": "shadow", "least_rows": 100})
    traffic(project, live(0))
    rollout(project.path, LATER)
    assert registry.state(project.name).champion == 2
    verdict = rollback(project.path, "complaints", as_of=LATER)
    assert verdict.passed
    assert "the champion is version 1, it was 2" in verdict.reason
    last = registry.ledger(project.name)[-1]
    assert (last.kind, last.reason, last.actor.startswith("flow "), last.as_of) == (
        "roll back",
        "complaints",
        True,
        LATER,
    )
    rollback(project.path, "a false alarm", to=2)
    assert registry.state(project.name).champion == 2
    with pytest.raises(RegistryError, match="needs a reason"):
        rollback(project.path, " ")


@pytest.mark.long
def test_waived_gates_are_measured_and_recorded(services: object, project: Callable[..., Project]) -> None:
    """A version that its gates refuse is let through by an override, which stands in tags, card, verdict and ledger."""
    gates = [{"kind": "threshold", "metric": "roc_auc", "at_least": 0.9999}]
    made = project(drawn(), evaluation={"primary": "roc_auc", "gates": gates})
    assert not train(made.path, FIRST).passed
    verdict = train(made.path, FIRST, override="a drill (asked by ada)")
    assert verdict.passed
    assert [finding.rule for finding in verdict.failures] == ["roc_auc at least 0.9999"]
    version = registry.version(made.name, 1)
    assert version.tags["regrow.override"] == "a drill (asked by ada)"
    assert version.tags["regrow.status"] == "promoted"
    card = registry.connect().get_model_version(made.name, "1").description
    assert "## Gates waived\n\na drill (asked by ada)" in (card or "")
    assert registry.ledger(made.name)[-1].reason.startswith(
        "gates waived: a drill (asked by ada) (failed: roc_auc"
    )


def test_a_look_shows_its_table(rolling: Callable[..., Project], traffic: Traffic) -> None:
    """The flow run's page shows stage, rules and what was seen; the MLflow run carries rollout, stage and outcome."""
    project = rolling()
    traffic(project, live(0))
    rollout(project.path, LATER)
    with get_client(sync_client=True) as client:
        body = {"artifacts": {"key": {"any_": [f"rollout-{project.name}"]}}}
        found = client._client.post("/artifacts/filter", json=body).json()
    assert "stage 1 of 3 (canary, weight 0)" in found[0]["data"]
    assert f"| {' | '.join(COLUMNS)} |" in found[0]["data"]
    client = registry.connect()
    experiment = client.get_experiment_by_name(project.name)
    assert experiment is not None
    [run] = client.search_runs([experiment.experiment_id], "tags.`regrow.flow` = 'rollout'")
    assert run.data.tags["regrow.rollout.stage"] == "0"
    assert run.data.tags["regrow.rollout.outcome"] == "advance"
