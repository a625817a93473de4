"""The deployments and the runner, on the real Prefect server."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from deployments.serve import POOL, read_flows, read_projects, register, renew
from regrow.project import Project
from regrow.services import Services
from regrow.services.commands import ready_file

SCHEDULES = {
    "train": "0 3 1 * *",
    "score": "0 2 * * *",
    "monitor": "30 6 * * *",
    "retrain": "0 6 * * 1",
    "rollout": "*/10 * * * *",
}


def test_a_broken_file_does_not_stop_the_others(project: Callable[..., Project], caplog) -> None:
    """A YAML file that is broken is logged with its name, and the good one beside it is read."""
    good = project()
    (good.path.parent / "broken.yaml").write_text("name: [")
    assert [each.name for each in read_projects(good.path.parent)] == [good.name]
    assert "broken.yaml" in caplog.text


@pytest.mark.parametrize(("content", "reason"), [(None, "holds no project file"), ("name: [", "broken.yaml")])
def test_a_folder_without_a_model_is_told(tmp_path: Path, content: str | None, reason: str, caplog) -> None:
    """The runner's log says where it looked, what is wrong there, and what to do."""
    if content:
        (tmp_path / "broken.yaml").write_text(content)
    assert read_projects(tmp_path) == []
    assert reason in caplog.text
    assert f"no model is deployed: {tmp_path}" in caplog.text
    assert "REGROW_CONFIGS" in caplog.text


def test_a_deployment_carries_schedule_limit_and_parameters(
    services: Services, project: Callable[..., Project]
) -> None:
    """The server knows each cron of the file, in UTC, one run at a time, and the file's path."""
    made = project(
        training={
            "estimator": "sklearn.linear_model.LogisticRegression",
            "schedule": SCHEDULES["train"],
        },
        scoring={"schedule": SCHEDULES["score"]},
        monitoring={"schedule": SCHEDULES["monitor"]},
        retraining={"schedule": SCHEDULES["retrain"]},
        deployment={"server": False, "rollout_schedule": SCHEDULES["rollout"]},
    )
    asyncio.run(register([made], read_flows()))
    with get_client(sync_client=True) as client:
        for flow in ("train", "monitor", "retrain", "score", "rollout", "rollback"):
            found = client.read_deployment_by_name(f"{flow}/{made.name}")
            assert found.parameters == {"config": str(made.path)}
            assert found.work_pool_name == POOL
            assert [(each.schedule.cron, each.schedule.timezone) for each in found.schedules] == [
                (cron, "UTC") for name, cron in SCHEDULES.items() if name == flow
            ]
            assert [each.parameters for each in found.schedules] == [{"trigger": "schedule"}] * len(
                found.schedules
            )
            if flow in {"train", "retrain", "rollout"}:
                assert found.global_concurrency_limit.limit == 1


async def test_the_file_of_a_living_runner_is_renewed(tmp_path: Path) -> None:
    """While the loop turns the file gets the time of now; one that is gone is not made, for it names the models."""
    file = tmp_path / "runner.ready"
    renewing = asyncio.ensure_future(renew(file, pause=0.01))
    await asyncio.sleep(0.05)
    assert not file.exists()
    file.write_text("one model")
    os.utime(file, (0, 0))
    await asyncio.sleep(0.2)
    renewing.cancel()
    assert time.time() - file.stat().st_mtime < 10
    assert file.read_text() == "one model"


@contextmanager
def serving(services: Services, configs: Path) -> Iterator[None]:
    """Run `python -m deployments.serve` on the project files of *configs*, as `regrow up` does."""
    ready, log = ready_file(services.settings), configs / "runner.log"
    ready.unlink(missing_ok=True)
    environment = {**os.environ, "REGROW_CONFIGS": str(configs), "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with log.open("wb") as stream:
        runner = subprocess.Popen(
            [sys.executable, "-m", "deployments.serve"], env=environment, stdout=stream, stderr=stream
        )
    try:
        wait(lambda: ready.exists() or runner.poll() is not None, 240)
        assert runner.poll() is None, log.read_text()
        yield
    finally:
        runner.terminate()
        runner.wait(60)


def wait(until: Callable[[], object], patience: float) -> None:
    """Return once *until* holds; fail after *patience* seconds."""
    deadline = time.monotonic() + patience
    while not until():
        assert time.monotonic() < deadline, f"not within {patience} s"
        time.sleep(0.5)


def completed(project: Project, flow: str) -> list[FlowRun]:
    """Return the runs of *flow* for *project* that its schedule has made and that have completed."""
    with get_client(sync_client=True) as client:
        wanted = client.read_deployment_by_name(f"{flow}/{project.name}").id
        runs = [run for run in client.read_flow_runs() if run.deployment_id == wanted and run.auto_scheduled]
    return [run for run in runs if run.state and run.state.is_completed()]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_schedule_that_fires_every_minute_runs_twice(
    services: Services, project: Callable[..., Project], recent: pd.DataFrame
) -> None:
    """Once it has a champion, the model's retraining is decided by its schedule, and again the minute after."""
    made = project(recent, retraining={"schedule": "* * * * *"})
    with serving(services, made.path.parent):
        trained: Any = run_deployment(f"train/{made.name}", timeout=300, poll_interval=1, as_subflow=False)
        assert trained.state.is_completed(), trained.state
        wait(lambda: len(completed(made, "retrain")) >= 2, 400)
    first, second = sorted(run.expected_start_time for run in completed(made, "retrain"))[:2]
    assert second - first >= timedelta(minutes=1)
