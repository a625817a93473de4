"""The runner, on the real Prefect server."""

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

from deployments.serve import renew
from regrow.project import Project
from regrow.services import Services
from regrow.services.commands import ready_file


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
