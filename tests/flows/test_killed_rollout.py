"""`kill -9` of a rollout's look or of a rollback before any of its MLflow writes: the next run makes the same of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from flows.train import train
from regrow import registry
from regrow.lineage import KEY
from regrow.project import Project
from regrow.registry import State

Runner = Callable[..., tuple[int, int]]
Traffic = Callable[..., None]
Prepare = Callable[[str], Project]
KILLED = -9
AS_OF = "2024-03-02T00:00:00+00:00"
PLAN = {"kind": "canary", "weights": [0.5], "shadow_rows": 50, "least_rows": 20}
ENDS = {
    "advance": ["promote", "start", "advance"],
    "finish": ["promote", "start", "advance", "finish"],
    "roll back": ["promote", "start", "roll back"],
    "by order": ["promote", "start", "finish", "roll back"],
}
FLOW = {"by order": "rollback"}
SCENARIOS = tuple(pytest.param(each, marks=pytest.mark.long) for each in ENDS)


def rows() -> pd.DataFrame:
    """Return 400 rows of January and February whose `size` tells `late` nearly for certain."""
    random = pd.Series(range(400)).sample(frac=1, random_state=1).to_numpy()
    return pd.DataFrame(
        {
            "id": [f"r{index}" for index in range(400)],
            "at": pd.date_range("2024-01-01", "2024-02-29", periods=400, tz="UTC"),
            "size": (random - 200) / 100,
            "late": ((random + pd.Series(range(400)).to_numpy() % 37) > 218).astype(int),
        }
    )


@pytest.fixture(scope="module")
def trained(services: object, shared_project: Callable[..., Project]) -> Project:
    """Train two versions of a model, which the models of the scenarios take over."""
    deployment = {"server": False, "rollout": PLAN}
    made = shared_project(rows(), deployment=deployment, evaluation={"primary": "roc_auc", "gates": []})
    for moment in (datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 15, tzinfo=UTC)):
        train(made.path, moment)
    return made


@pytest.fixture
def prepare(trained: Project, taken_over: Callable[..., Project], traffic: Traffic) -> Prepare:
    """Return models that stand before their scenario, all with the two versions of one training."""
    frame = rows()

    def make(scenario: str) -> Project:
        made = taken_over(trained)
        name = made.name
        registry.promote(name, 1, "test", "first")
        plan = made.deployment.rollout
        assert plan.kind != "replace"
        moment = datetime(2024, 2, 15, tzinfo=UTC)
        registry.start_rollout(name, 2, plan, "test", "passed", moment)
        if scenario == "finish":
            registry.advance(name, registry.state(name), "test", "holds", moment)
        if scenario == "by order":
            registry.finish(name, registry.state(name), "test", "proven", True, moment)
        else:
            traffic(made, frame[200:], failing=scenario == "roll back")
        return made

    return make


def end_state(project: Project) -> dict[str, Any]:
    """Describe all that a run leaves behind, beside the runs of the attempts that died."""
    client, name = registry.connect(), project.name
    model = client.get_registered_model(name)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    running = [
        run.info.run_name
        for run in client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
        if run.data.tags[KEY] != f"moves/{name}"
    ]
    shown = State.model_validate_json(model.tags["regrow.state"])
    stage = None if shown.rollout is None else shown.rollout.stage
    return {
        "kinds": [move.kind for move in registry.ledger(name)],
        "aliases": dict(model.aliases),
        "state": (shown.champion, shown.challenger, stage, shown.move),
        "settled": model.tags["regrow.settled"],
        "status": [registry.version(name, number).tags.get("regrow.status") for number in (1, 2)],
        "running": running,
    }


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_before_a_write(
    scenario: str, run: Runner, prepare: Prepare, size: Callable[[int, int], int]
) -> None:
    """Whatever the write, the state between is valid, the next run goes on, and the end is that of one run alone."""
    flow, whole = FLOW.get(scenario, "rollout"), prepare(scenario)
    status, writes = run(flow, whole, AS_OF, "none")
    expected = end_state(whole)
    assert (status, expected["kinds"]) == (0, ENDS[scenario])
    points = range(1, writes + 1) if size(0, 1) else [writes // 2]
    for point in points:
        project = prepare(scenario)
        before = registry.state(project.name)
        assert run(flow, project, AS_OF, point)[0] == KILLED
        assert registry.state(project.name).move in {before.move, before.move + 1}
        served = registry.champion(project.name)
        assert served is not None
        assert served.number in {1, 2}
        reconciled = registry.reconcile(project.name).state
        if not (scenario == "by order" and reconciled.move == expected["state"][3]):
            assert run(flow, project, AS_OF, "none")[0] == 0
        else:
            assert_swept(run, project)
        assert end_state(project) == expected, f"killed before write {point} of {writes}"


def assert_swept(run: Runner, project: Project) -> None:
    """Let a look clear up: the order was carried out before the kill, and a second one would be another rollback."""
    assert run("rollout", project, AS_OF, "none")[0] == 0
