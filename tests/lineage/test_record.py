"""What stands on the MLflow runs of a training: git, data, the trials of a search; on a real MLflow store."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from prefect import flow

import tasks.fit
from flows.train import train
from regrow import registry
from regrow.base.verdict import Finding, Verdict
from regrow.data.snapshots import write_snapshot
from regrow.lineage import RunRecord, current, find_experiment, flow_run, step
from regrow.lineage.trace import trace
from regrow.project import Project

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
SEARCH = {
    "estimator": "sklearn.linear_model.LogisticRegression",
    "search": {"kind": "randomized", "space": {"C": [0.01, 0.1, 1.0]}, "trials": 3},
}


def runs_of(project: Project, text: str = "") -> list[Any]:
    client = registry.connect()
    return list(client.search_runs([find_experiment(client, project.name)], text))


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.long
def test_the_state_of_git_stands_on_run_and_version(
    services: object, project: Callable[..., Project]
) -> None:
    """The commit of the project file, and whether files differed from it, are on the run, the version and the trace."""
    made = project()
    git(made.path.parent, "init", "-q")
    git(made.path.parent, "add", ".")
    git(made.path.parent, "commit", "-qm", "a model")
    commit = git(made.path.parent, "rev-parse", "HEAD")
    train(made.path, AS_OF)
    (run,) = runs_of(made, "tags.`regrow.flow` = 'train'")
    version = registry.version(made.name, 1)
    for tags in (run.data.tags, version.tags):
        assert (tags["regrow.git.commit"], tags["regrow.git.dirty"]) == (commit, "false")
    assert dict(trace(f"models:/{made.name}/1"))["git commit"] == commit
    project(name=made.name, training={"estimator": "sklearn.linear_model.LogisticRegression", "seed": 1})
    train(made.path, AS_OF)
    assert dict(trace(f"models:/{made.name}/2"))["git commit"] == f"{commit} with uncommitted changes"


@pytest.mark.long
def test_each_trial_of_a_search_is_a_run(
    services: object, project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial is a run below the step's, with its parameters and score; a step that is tried again adds none."""
    made, original, outages = (
        project(training=SEARCH),
        tasks.fit.log_candidate,
        [ConnectionResetError("reset")],
    )

    def unsteady(*args: Any) -> Any:
        if outages:
            raise outages.pop()
        return original(*args)

    monkeypatch.setattr(tasks.fit, "log_candidate", unsteady)
    train(made.path, AS_OF)
    assert not outages
    (fitted,) = runs_of(made, "tags.`regrow.step` = 'fit'")
    trials = runs_of(made, f"tags.`mlflow.parentRunId` = '{fitted.info.run_id}'")
    assert sorted(run.data.params["estimator__C"] for run in trials) == ["0.01", "0.1", "1.0"]
    assert all(0.5 < run.data.metrics["score"] <= 1 for run in trials)
    assert {run.info.status for run in trials} == {"FINISHED"}
    assert {run.info.run_name for run in trials} == {"trial-0", "trial-1", "trial-2"}


@step()
def recording(project: Project, verdict: Verdict, rows: Any) -> None:
    """Keep a verdict and link a dataset."""
    current().verdict(verdict)
    current().log_input(write_snapshot(rows, "at"), "window")


def test_verdict_and_data_stand_on_the_step(
    services: object, project: Callable[..., Project], recent: Any
) -> None:
    """The verdict's outcome is in the tags and the whole in a file; a dataset has our own digest, rows and times."""
    made = project()
    verdict = Verdict(
        decision="monitor",
        result="undecided",
        reason="too little to tell",
        findings=(Finding(rule="labels", result="undecided"),),
    )

    @flow
    def keeping() -> None:
        with flow_run(made):
            recording(made, verdict, recent)

    keeping()
    (run,) = runs_of(made, "tags.`regrow.step` = 'recording'")
    tags = {
        name: run.data.tags[f"regrow.{name}"] for name in ("verdict", "verdict.decision", "verdict.reason")
    }
    assert list(tags.values()) == ["undecided", "monitor", "too little to tell"]
    kept = registry.connect().download_artifacts(run.info.run_id, "verdict.json")
    assert Verdict.model_validate_json(Path(kept).read_text()) == verdict
    assert run.inputs is not None
    (dataset,) = run.inputs.dataset_inputs
    assert f'"num_rows": {len(recent)}' in dataset.dataset.profile
    assert recent["at"].iloc[0].isoformat()[:19] in dataset.dataset.profile
    assert [tag.value for tag in dataset.tags] == ["window"]


def test_two_writers_of_one_link_both_succeed(
    services: object, monkeypatch: pytest.MonkeyPatch, recent: Any
) -> None:
    """A link that collides with another writer's in MLflow's database is written a second time."""
    client = registry.connect()
    experiment = find_experiment(client, "links")
    record = RunRecord(client, client.create_run(experiment).info.run_id, experiment)
    original, failures = client.log_inputs, [MlflowException("UNIQUE constraint failed")]

    def colliding(*args: Any, **more: Any) -> None:
        if failures:
            raise failures.pop()
        original(*args, **more)

    monkeypatch.setattr(client, "log_inputs", colliding)
    record.log_input(write_snapshot(recent, "at"), "window")
    linked: Any = client.get_run(record.run_id).inputs
    assert len(linked.dataset_inputs) == 1
