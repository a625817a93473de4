"""What is known of every model."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from prefect.client.orchestration import get_client
from prefect.states import Scheduled

from deployments.register import read_flows, register
from flows.monitor import monitor
from flows.train import train
from regrow.base.errors import DataError
from regrow.base.settings import load_settings
from regrow.data.labels import append_labels
from regrow.lineage.pages import PAGE
from regrow.lineage.status import describe_stage, read_status
from regrow.project import Canary, Project
from regrow.registry import Rollout
from regrow.services import Services

AT = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stage", "paused", "words"),
    [(0, False, "stage 1 of 3, shadow"), (1, True, "stage 2 of 3, answers 5%, paused")],
)
def test_a_rollout_in_words(stage: int, paused: bool, words: str) -> None:
    """How far a rollout has come, and whether somebody holds it."""
    plan = Canary(kind="canary", weights=(0.05, 0.5), shadow_rows=100)
    assert describe_stage(Rollout(id="a", plan=plan, stage=stage, since=AT, began=AT, paused=paused)) == words


def schedule_now(project: Project, flow: str) -> None:
    """Let Prefect make the scheduled runs of a deployment at once; its scheduler does so every minute."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"{flow}/{project.name}")
        client._client.post(f"/deployments/{deployment.id}/schedule", json={}).raise_for_status()


@contextmanager
def many_planned(project: Project, flow: str, count: int) -> Iterator[None]:
    """Plan *count* runs of a deployment for the next minutes, and take them back afterwards."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"{flow}/{project.name}").id
        due = [datetime.now(UTC) + timedelta(seconds=600 + second) for second in range(count)]
        planned = [
            client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=each)).id
            for each in due
        ]
        try:
            yield
        finally:
            for run in planned:
                client.delete_flow_run(run)


@pytest.mark.long
def test_a_trained_and_deployed_model_is_told(
    services: Services,
    project: Callable[..., Project],
    recent: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a training, a label and a failed monitoring all of it stands in the status, with the next scheduled run.

    That is found behind more runs that are due sooner than one of Prefect's answers holds.
    """
    made = project(recent, monitoring={"schedule": "0 6 * * 1"})
    assert train(made.path).passed
    with pytest.raises(DataError):
        monitor(made.path)
    append_labels(made.name, pd.DataFrame({"prediction_id": ["p"], "label": [1], "labelled_at": [AT]}), "t")
    asyncio.run(register([made], read_flows()))
    schedule_now(made, "monitor")
    with many_planned(made, "score", PAGE + 1):
        found = {model.name: model for model in read_status(load_settings(), [made.name, "unknown"]).models}
    told = found[made.name]
    assert told.champion == 1
    assert told.since is not None
    assert datetime.now(UTC) - told.since < timedelta(minutes=5)
    assert told.training is not None
    assert (told.training.flow, told.training.result) == ("train", "pass")
    assert told.monitoring is not None
    assert (told.monitoring.state, told.monitoring.result) == ("failed", None)
    assert told.newest_label == AT
    assert told.next_runs["monitor"].weekday() == 0
    assert found["unknown"].champion is None
