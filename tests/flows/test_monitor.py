"""The monitor and retrain flows on a real Prefect server and a real MLflow store."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from flows.monitor import monitor
from regrow import registry
from regrow.base.errors import DataError, RegistryError
from regrow.data.labels import read_labels
from regrow.data.predictions import append_predictions
from regrow.lineage import flow_run
from regrow.models.metrics import score
from regrow.models.stored import load_model
from regrow.notifications.event import event_id
from regrow.project import Project, load_project
from tasks.fit import fit
from tasks.ingest import ingest
from tasks.split import split

TRAINED = datetime(2024, 2, 1, tzinfo=UTC)
WATCHED = datetime(2024, 3, 2, tzinfo=UTC)
MONITORING = {
    "window": "30d",
    "drift": {"threshold": 0.3, "share": 0.4, "least_rows": 100},
    "prediction_drift": 1.0,
    "performance": {"least_rows": 100, "tolerance": 0.05},
}


@flow(name="crown")
def crown(config: Path, as_of: datetime = TRAINED) -> None:
    """Make a champion without the gates' leave: monitoring does not ask how it came to be."""
    project = load_project(config)
    with flow_run(project, "manual", as_of) as run:
        parts = split(project, ingest(project, run.as_of))
        candidate = fit(project, parts)
        holdout = candidate.facts.holdout.read()
        prediction = load_model(candidate.uri).predict(holdout)
        metrics = {"roc_auc": score("roc_auc", holdout["late"], prediction, candidate.facts.classes)}
        tags = {"regrow.metrics": json.dumps(metrics)}
        version = registry.register(project.name, candidate, "", tags)
        registry.promote(project.name, version.number, "test", "the first", as_of=run.as_of)


def serve(project: Project, frame: pd.DataFrame) -> None:
    """Log the champion's predictions for the rows of *frame* as the model server does."""
    champion = registry.champion(project.name)
    assert champion is not None
    model = load_model(f"models:/{champion.model_id}")
    features = [f.to_dict() for _, f in frame[model.features].iterrows()]
    table = pa.table(
        {
            "prediction_id": [f"p-{name}" for name in frame["id"]],
            "entity_id": frame["id"].astype(str).tolist(),
            "event_time": pa.array(frame["at"], pa.timestamp("us", tz="UTC")),
            "served_at": pa.array(frame["at"], pa.timestamp("us", tz="UTC")),
            "model": [project.name] * len(frame),
            "version": pa.array([champion.number] * len(frame), pa.int64()),
            "features": pa.array(features),
            "prediction": pa.array(model.predict(frame).tolist(), pa.list_(pa.float64())),
        }
    )
    append_predictions(project.name, table, "test")


def labelled_rows(drifted: bool) -> pd.DataFrame:
    """Draw two months of rows; if *drifted*, size moves in the second and its effect turns round."""
    random = np.random.default_rng(0)
    size, at = random.normal(size=1200), pd.date_range("2024-01-01", "2024-03-01", periods=1200, tz="UTC")
    later = np.asarray(at >= pd.Timestamp(TRAINED)) & drifted
    late = np.where(later, -size, size) + random.normal(scale=0.5, size=1200) > 0
    ids = [f"r{i}" for i in range(1200)]
    colour = random.choice(["red", "green"], size=1200)
    moved = np.where(later, size + 3, size)
    return pd.DataFrame({"id": ids, "at": at, "size": moved, "colour": colour, "late": late.astype(int)})


@pytest.fixture
def served(services: object, project: Callable[..., Project]) -> Callable[..., Project]:
    """Train a champion as of February and log its predictions of that month."""

    def make(drifted: bool, **changes: object) -> Project:
        frame = labelled_rows(drifted)
        made = project(frame, monitoring=MONITORING, **changes)
        crown(made.path)
        serve(made, frame[frame["at"] >= TRAINED])
        return made

    return make


def test_runs_now_and_by_schedule(
    services: object, project: Callable[..., Project], start: Callable[..., Any]
) -> None:
    """Without `as_of` the flow watches the rows served up to this moment, whoever starts it."""
    frame = labelled_rows(drifted=False)
    ago = pd.Timestamp.now("UTC") - pd.Timedelta("1h") - frame["at"].iloc[-1]
    made = project(frame.assign(at=frame["at"] + ago), monitoring=MONITORING)
    crown(made.path, TRAINED + ago.to_pytimedelta())
    recent = frame.assign(at=frame["at"] + ago)
    serve(made, recent[frame["at"] >= TRAINED])
    verdict = start(monitor, config=made.path)
    assert verdict.passed, verdict.reason
    within = recent["at"] >= pd.Timestamp.now("UTC") - made.monitoring.window
    assert verdict.findings[0].rows == pytest.approx((within & (frame["at"] >= TRAINED)).sum(), abs=1)


@pytest.mark.long
def test_a_steady_world_raises_no_alarm(served: Callable[..., Project]):
    """Rows like the champion's pass every rule, their labels are collected once, and no alarm is raised."""
    project = served(drifted=False)
    verdict = monitor(project.path, WATCHED)
    assert verdict.passed, verdict.reason
    assert "roc_auc" in verdict.findings[0].detail
    labels = read_labels(project.name)
    monitor(project.path, WATCHED)
    assert read_labels(project.name).equals(labels)


def test_harm_raises_one_alarm(served: Callable[..., Project]):
    """A world that moved loses performance, and alarms once however often it is watched; its drift is noted."""
    project = served(drifted=True)
    first, second = monitor(project.path, WATCHED), monitor(project.path, WATCHED)
    assert [finding.subject for finding in first.failures] == ["performance"]
    assert "drift" in {finding.subject for finding in first.notes}
    assert second == first
    expected = next(finding for finding in first.findings if finding.subject == "expected performance")
    assert expected.interval is not None
    assert "0 so far" in expected.detail
    assert count_alarms(project) == 1


def count_alarms(project: Project) -> int:
    """Wait until Prefect holds the alarm of *project*, and count it."""
    import time

    for _ in range(100):
        with get_client(sync_client=True) as client:
            body = {"filter": {"id": {"id": [str(event_id("alarm", project.name, WATCHED.isoformat()))]}}}
            total = client._client.post("/events/filter", json=body).json()["total"]
        if total:
            return total
        time.sleep(0.2)
    return 0


def test_features_that_were_served_otherwise_are_found(
    services: object, project: Callable[..., Project]
) -> None:
    """A fifth of the rows was served with another size than the source has: the flow names column and share."""
    frame = labelled_rows(drifted=False)
    made = project(frame, monitoring=MONITORING | {"skew": {"share": 0.05}})
    crown(made.path)
    month = frame[frame["at"] >= TRAINED]
    serve(made, month.assign(size=month["size"].where(np.arange(len(month)) % 5 > 0, 0.25)))
    verdict = monitor(made.path, WATCHED)
    found = [finding for finding in verdict.findings if "source" in finding.rule]
    assert [(each.result, each.subject) for each in found] == [("fail", "quality")], verdict
    assert "size" in found[0].detail
    assert found[0].figure == pytest.approx(0.2, abs=0.002)


def test_an_empty_window_is_an_error(served: Callable[..., Project]):
    """A window without a prediction fails loudly and names model and window; it is no alarm."""
    project = served(drifted=False)
    with pytest.raises(DataError, match=f"no predictions were logged for {project.name} between 2024-12-02"):
        monitor(project.path, datetime(2025, 1, 1, tzinfo=UTC))


def test_without_a_champion_there_is_nothing_to_watch(services: object, project: Callable[..., Project]):
    """A model that was never trained is an error that says what to do."""
    made = project()
    with pytest.raises(RegistryError, match="has no champion; train it first"):
        monitor(made.path, WATCHED)


def test_a_new_models_schedule_waits(services: object, project: Callable[..., Project]):
    """Before its first champion and its first prediction a scheduled run ends well and says what it waits for."""
    made = project(labelled_rows(drifted=False), monitoring=MONITORING)
    first = monitor(made.path, WATCHED, trigger="schedule")
    assert (first.decision, first.result) == ("monitor", "undecided")
    assert "waits for its first champion" in first.reason
    crown(made.path)
    assert "waits for its first prediction" in monitor(made.path, WATCHED, trigger="schedule").reason
    with pytest.raises(DataError, match="no predictions were logged"):
        monitor(made.path, WATCHED)
