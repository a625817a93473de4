"""The train flow on a real Prefect server and a real MLflow store."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_TASKS_REFRESH_CACHE, temporary_settings

import flows.train
import tasks.fit
import tasks.refit
import tasks.register
from flows.monitor import monitor
from flows.score import score
from flows.train import train
from regrow import registry
from regrow.base.errors import ProjectError
from regrow.base.verdict import Finding, Verdict
from regrow.lineage.trace import trace
from regrow.models.stored import load_model
from regrow.project import Project, load_project

Start = Callable[..., Any]
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
DIABETES = Path(__file__).parents[2] / "configs" / "diabetes.yaml"


def versions(project: Project) -> list[tuple[int, dict[str, str]]]:
    found = registry.connect().search_model_versions(f"name = '{project.name}'")
    return sorted((int(version.version), dict(version.tags)) for version in found)


def models(project: Project) -> list[Any]:
    client = registry.connect()
    experiment = client.get_experiment_by_name(project.name)
    assert experiment is not None
    return list(client.search_logged_models([experiment.experiment_id]))


def test_runs_now_and_by_schedule(
    services: object,
    project: Callable[..., Project],
    recent: pd.DataFrame,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without `as_of` the flow trains on the rows up to this moment, whoever starts it; each part of it is told."""
    model, told = project(recent), list[str]()
    for module in (flows.train, tasks.register):
        monkeypatch.setattr(module, "announce", lambda _, kind, *__, **___: told.append(kind))
    before = datetime.now(UTC) - timedelta(minutes=1)
    verdict = start(train, config=model.path)
    assert verdict.passed, verdict.reason
    champion = registry.champion(model.name)
    assert champion is not None
    assert champion.facts.training.rows == len(recent)
    assert told == ["training.started", "version.registered", "training.finished"]
    assert before < datetime.fromisoformat(champion.tags["regrow.as_of"]) < datetime.now(UTC)


def _without_zone(at: pd.Series) -> pd.Series:
    return at.dt.tz_localize(None)


def _in_tokyo(at: pd.Series) -> pd.Series:
    return at.dt.tz_convert("Asia/Tokyo")


def _as_csv(frame: pd.DataFrame, folder: Path) -> dict[str, str]:
    return {"kind": "csv", "path": "rows.csv"}  # `project` has written it.


def _as_parquet(frame: pd.DataFrame, folder: Path) -> dict[str, str]:
    frame.to_parquet(folder / "rows.parquet")
    return {"kind": "parquet", "path": "rows.parquet"}


@pytest.mark.parametrize(
    ("change", "written"),
    [
        pytest.param(_without_zone, _as_csv, id="csv, no time zone", marks=pytest.mark.long),
        pytest.param(_without_zone, _as_parquet, id="parquet, no time zone"),
        pytest.param(_in_tokyo, _as_parquet, id="parquet, Tokyo", marks=pytest.mark.long),
    ],
)
def test_every_kind_of_time_is_read_now(
    services: object, project: Callable[..., Project], recent: pd.DataFrame, change: Any, written: Any
) -> None:
    """Times without a zone are UTC, those of another zone are the same moments."""
    model = project(frame := recent.assign(at=change(recent["at"])))
    data = {"source": written(frame, model.path.parent), "target": "late", "timestamp": "at", "id": "id"}
    model = project(frame, data=data)
    assert train(model.path).passed
    champion = registry.champion(model.name)
    assert champion is not None
    assert champion.facts.training.rows == len(recent)


@pytest.mark.long
def test_a_day_is_a_moment(services: object, project: Callable[..., Project]) -> None:
    """A run whose `as_of` was written as a day, as in Prefect's form, sees the rows before that day."""
    model = project()
    with get_client(sync_client=True) as client:
        made = client.create_flow_run(train, parameters={"config": str(model.path), "as_of": "2024-02-10"})
    verdict: Any = run_flow(train, flow_run=made)
    assert verdict.passed
    champion = registry.champion(model.name)
    assert champion is not None
    assert champion.tags["regrow.as_of"] == "2024-02-10T00:00:00+00:00"
    assert champion.facts.holdout.end is not None
    assert champion.facts.holdout.end < datetime(2024, 2, 10, tzinfo=UTC)


def test_first_champion_then_nothing_changes(services: object, project: Callable[..., Project]) -> None:
    """The first candidate that passes becomes champion; an unchanged run changes nothing, and says so."""
    model = project()
    first = train(model.path, AS_OF)
    assert first.passed, first.reason
    champion, ledger, before = registry.champion(model.name), registry.ledger(model.name), versions(model)
    assert champion is not None
    assert (champion.number, champion.tags["regrow.status"]) == (1, "promoted")
    assert [(move.kind, move.before, move.state.champion) for move in ledger] == [("promote", None, 1)]

    again = train(model.path, AS_OF)
    *same, told = again.findings
    assert (again.passed, again.reason, tuple(same)) == (True, first.reason, first.findings)
    assert told.rule == "nothing has changed"
    assert "those of version 1" in told.detail
    assert registry.ledger(model.name) == ledger
    assert versions(model) == before
    assert len(models(model)) == 2


def rewrite(model: Project, rows: pd.DataFrame, **data: object) -> None:
    """Write other rows for *model*, and other keys under `data`."""
    rows.to_csv(model.path.parent / "rows.csv", index=False)
    content = yaml.safe_load(model.path.read_text())
    content["data"].update(data)
    model.path.write_text(yaml.safe_dump(content))


def champion_finding(verdict: Verdict) -> Finding:
    return next(finding for finding in verdict.findings if "the champion's" in finding.rule)


@pytest.mark.long
def test_a_champion_is_judged_on_its_own_columns(services: object, project: Callable[..., Project]) -> None:
    """A candidate of other features is compared with the champion as long as the rows have both models' columns."""
    model = project()
    train(model.path, datetime(2024, 2, 20, tzinfo=UTC))
    rewrite(
        model, pd.read_csv(model.path.parent / "rows.csv").assign(weight=1.0), features=["weight", "size"]
    )
    finding = champion_finding(train(model.path, AS_OF))
    assert finding.interval is not None
    assert "of champion 1" in finding.detail


@pytest.mark.long
def test_a_champion_without_its_columns_leaves_the_verdict_undecided(
    services: object, project: Callable[..., Project]
) -> None:
    """If the rows lack a column of the champion, the gate is undecided and says what to do; an override lets pass."""
    model = project()
    train(model.path, datetime(2024, 2, 20, tzinfo=UTC))
    rewrite(model, pd.read_csv(model.path.parent / "rows.csv").rename(columns={"colour": "color"}))
    verdict = train(model.path, AS_OF)
    assert (verdict.result, champion_finding(verdict).result) == ("undecided", "undecided")
    assert "champion 1 cannot be compared: it takes the column `colour`" in verdict.reason
    assert "--override" in verdict.reason
    champion = registry.champion(model.name)
    assert champion is not None
    assert champion.number == 1
    assert train(model.path, AS_OF, override="renamed (asked by ada)").passed
    champion = registry.champion(model.name)
    assert champion is not None
    assert champion.number == 2


def test_flow_retry_makes_one_version(
    services: object, project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flow that fails after it registered, and is retried, makes one version, one model and one move."""
    model, deploy, failures = project(), flows.train.deploy, ["first attempt"]

    def failing(*args: Any) -> Any:
        if failures:
            raise OSError(failures.pop())
        return deploy(*args)

    monkeypatch.setattr(flows.train, "deploy", failing)
    assert train.with_options(retries=1)(model.path, AS_OF).passed
    assert not failures
    assert [number for number, _ in versions(model)] == [1]
    assert len(models(model)) == 2
    assert len(registry.ledger(model.name)) == 1


@pytest.mark.long
def test_same_file_and_snapshot_give_the_same_bits(
    services: object, project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two fits from the same project file and snapshot are two models with identical predictions, bit for bit."""
    model = project(
        training={"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "seed": 3},
        evaluation={"primary": "roc_auc", "gates": []},
    )
    for steps in (tasks.fit, tasks.refit):
        monkeypatch.setattr(steps, "find_again", lambda *_: None)
    train(model.path, AS_OF)
    with temporary_settings({PREFECT_TASKS_REFRESH_CACHE: True}):
        train(model.path, AS_OF)
    made = [load_model(f"models:/{found.model_id}") for found in models(model)]
    first, second = (found for found in made if found.facts.judged)
    assert first.facts.training == second.facts.training
    frame = first.facts.holdout.read()
    np.testing.assert_array_equal(first.predict(frame), second.predict(frame), strict=True)


def test_unknown_estimator_changes_nothing(services: object, project: Callable[..., Project]) -> None:
    """A wrong import path is an error that names the key, and no model and no version is left."""
    model = project(training={"estimator": "sklearn.linear_model.LogisticRegresion"})
    with pytest.raises(ProjectError, match=r"training\.estimator"):
        train(model.path, AS_OF)
    assert models(model) == []
    assert registry.champion(model.name) is None


@pytest.mark.long
def test_regression_from_a_yaml_file_alone(services: object, tmp_path: Path) -> None:
    """Diabetes goes through train, score (twice: the same rows) and monitor; its trace names data and approval."""
    name = f"diabetes-{uuid4().hex[:8]}"
    path = tmp_path / "diabetes.yaml"
    path.write_text(DIABETES.read_text().replace("name: diabetes\n", f"name: {name}\n"))
    assert load_project(path).name == name
    verdict = train(path, AS_OF)
    assert verdict.passed, verdict.reason
    scored = score(path, as_of=AS_OF)
    assert (scored.rows, scored.new) == (442, 442)
    assert score(path, as_of=AS_OF).new == 0
    watched = monitor(path, datetime(2024, 3, 2, tzinfo=UTC))
    assert (watched.undecided, watched.counts["fail"]) == (True, 0), "442 labels are too few to judge by"
    assert "of 500 labels" in watched.reason
    lines = dict(trace(f"models:/{name}@champion"))
    assert lines["version"] == f"{name} version 1 (promoted)"
    assert lines["training data"] == "442 rows"
    assert "the first champion (promote): " in lines["approved by"]
