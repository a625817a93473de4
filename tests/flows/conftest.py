"""Traffic for a rollout as the model server logs it, and flows in processes that are killed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from regrow import registry
from regrow.data.predictions import CHALLENGER, CHAMPION, PREDICTIONS, SHADOW, append_predictions
from regrow.decisions.rollout.assignment import position
from regrow.lineage import remember_deployed
from regrow.models.stored import LoadedModel, load_model
from regrow.project import Project, load_project

Traffic = Callable[..., None]
Start = Callable[..., Any]


def run_now(flow: Flow[..., Any], **parameters: Any) -> Any:
    """Run *flow* as a person does who leaves out `as_of`."""
    return flow(**parameters)


def run_by_schedule(flow: Flow[..., Any], **parameters: Any) -> Any:
    """Run *flow* as its deployment's schedule does: Prefect made the run, its moment and its parameters."""
    remember_deployed([load_project(parameters["config"])])
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(flow), f"scheduled-{uuid4().hex[:8]}")
        made = client.create_flow_run_from_deployment(
            deployment,
            parameters=flow.serialize_parameters({**parameters, "trigger": "schedule"}),
            state=Scheduled(scheduled_time=datetime.now(UTC) - timedelta(seconds=1)),
        )
    return run_flow(flow, flow_run=made)


@pytest.fixture(params=["now", "by schedule"])
def start(request: pytest.FixtureRequest) -> Start:
    """Start a flow without `as_of`, in the two ways in which users do."""
    return {"now": run_now, "by schedule": run_by_schedule}[request.param]


def predictions_of(model: LoadedModel, frame: pd.DataFrame, spoilt: bool) -> list[list[float]]:
    answers = np.asarray(model.predict(frame))
    return (answers[:, ::-1] if spoilt else answers).tolist()


def send(project: Project, frame: pd.DataFrame, spoilt: bool = False, failing: bool = False) -> None:
    """Log what champion and challenger say to the rows of *frame*, split and mirrored by the open rollout.

    A *spoilt* challenger says the opposite; a *failing* one raises, and the champion answers.
    """
    seen = registry.state(project.name)
    assert seen.rollout is not None
    assert seen.champion is not None
    assert seen.challenger is not None
    models = {
        number: load_model(f"models:/{registry.version(project.name, number).model_id}")
        for number in (seen.champion, seen.challenger)
    }
    said = {
        seen.champion: predictions_of(models[seen.champion], frame, False),
        seen.challenger: predictions_of(models[seen.challenger], frame, spoilt),
    }
    rows, now = [], datetime.now(UTC)
    for index, (entity, at) in enumerate(zip(frame["id"], frame["at"], strict=True)):
        challenged = position(seen.rollout.id, entity) < seen.rollout.current.weight
        fallback = "raised" if challenged and failing else None
        answers = seen.challenger if challenged and not failing else seen.champion
        other = seen.champion if answers == seen.challenger else seen.challenger
        row = {
            "prediction_id": uuid4().hex,
            "entity_id": entity,
            "event_time": at,
            "served_at": now + pd.Timedelta(microseconds=index),
            "model": project.name,
            "version": answers,
            "role": CHALLENGER if answers == seen.challenger else CHAMPION,
            "rollout": seen.rollout.id,
            "stage": seen.rollout.stage,
            "fallback": fallback,
            "seconds": 0.01,
            "shadow_of": None,
            "prediction": said[answers][index],
        }
        rows.append(row)
        if not fallback:
            rows.append(
                {
                    **row,
                    "prediction_id": uuid4().hex,
                    "version": other,
                    "role": SHADOW,
                    "shadow_of": row["prediction_id"],
                    "prediction": None if failing else said[other][index],
                    "fallback": "raised" if failing else None,
                }
            )
    schema = pa.schema([field for field in PREDICTIONS if field.name != "features"])
    append_predictions(project.name, pa.Table.from_pylist(rows, schema), uuid4().hex)


def take_over(trained: Project, **changes: object) -> Project:
    """Return a project of its own name that has the first two versions of *trained*, and *changes* in its file."""
    content = yaml.safe_load(trained.path.read_text()) | changes | {"name": f"test-{uuid4().hex[:8]}"}
    path = trained.path.with_name(f"{content['name']}.yaml")
    path.write_text(yaml.safe_dump(content))
    made = load_project(path)
    for number in (1, 2):
        registry.register(made.name, registry.version(trained.name, number).candidate, "", {})
    return made


@pytest.fixture
def taken_over() -> Callable[..., Project]:
    """Make a project that takes over the versions of another: to train two for each test takes too long."""
    return take_over


@pytest.fixture
def traffic() -> Traffic:
    return send


@pytest.fixture(scope="module")
def run(
    services: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., tuple[int, int]]]:
    """Return a function that runs a flow in a process of its own, which dies at the point that is named.

    It returns the process's exit status and the number of its MLflow writes.
    """
    script = Path(__file__).with_name("kill_points.py")
    log = tmp_path_factory.mktemp("killed") / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, str(script)], stdin=-1, stdout=-1, stderr=errors, text=True, bufsize=1
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        given, answered = process.stdin, process.stdout

        def run(flow: str, project: Project, as_of: str, point: str | int) -> tuple[int, int]:
            given.write(json.dumps([flow, str(project.path), as_of, point]) + "\n")
            status, writes = map(int, answered.readline().split())
            assert status in {0, -9}, log.read_text()[-4000:]
            return status, writes

        yield run
        given.close()
