"""Run deployments and read back from MLflow what they did."""

import shlex
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow.artifacts import load_text
from mlflow.entities import Run
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from regrow import registry
from regrow.base.errors import Unreachable
from regrow.base.verdict import Verdict
from regrow.project import Project

TIMEOUT = 240.0
ALARM_TIMEOUT = 60.0
POLL = 0.15


def run_flow(flow: str, project: Project, as_of: datetime, trigger: str) -> FlowRun:
    """Run the deployment of *flow* for *project*, and wait for its end.

    Raises `Unreachable` if it does not complete.
    """
    parameters = {"config": str(project.path), "as_of": as_of.isoformat(), "trigger": trigger}
    run: Any = run_deployment(
        f"{flow}/{project.name}", parameters=parameters, timeout=TIMEOUT, poll_interval=POLL, as_subflow=False
    )
    return _completed(run, flow)


def run_command(*words: str) -> None:
    """Run `regrow` with *words*, as a user does: a run of a deployment takes no file that was not deployed.

    Raises `Unreachable` with what the command said if it does not succeed.
    """
    program = [sys.executable, "-c", "from regrow.cli import app; app()", *words]
    ended = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ended.returncode:
        raise Unreachable(f"regrow {shlex.join(words)}: {ended.stdout.strip()}")


def await_retraining(project: Project, since: datetime) -> FlowRun:
    """Wait for the retraining that the alarm's automation starts, and for its end.

    Raises `Unreachable` if none appears within a minute of *since*, or it does not complete.
    """
    until, run = time.monotonic() + ALARM_TIMEOUT, None
    with get_client(sync_client=True) as client:
        while run is None or not (run.state and run.state.is_final()):
            if time.monotonic() > until + (TIMEOUT if run else 0):
                raise Unreachable(f"the alarm on {project.name} started no retraining that came to an end")
            time.sleep(POLL)
            run = client.read_flow_run(run.id) if run else _latest(client, project, since)
    return _completed(run, "retrain")


def parent_run(project: Project, run: FlowRun) -> Run:
    """Return the MLflow run of Prefect's flow run *run*."""
    return _find(project, f"tags.`regrow.key` = '{run.id}'")[0]


def nested_run(project: Project, run: FlowRun, step: str) -> Run | None:
    """Return the MLflow run of *step* within *run*, or None if it was not run."""
    found = _find(project, f"tags.`regrow.key` = '{run.id}/{step}'")
    return found[0] if found else None


def read_verdict(run: Run) -> Verdict:
    """Read the verdict that is kept on *run*."""
    return Verdict.model_validate_json(load_text(f"{run.info.artifact_uri}/verdict.json"), extra="ignore")


def report_path(home: Path, run: Run) -> str | None:
    """Return the path of Evidently's report on *run*, relative to *home*; None if there is none in that folder."""
    artifacts = Path(str(run.info.artifact_uri).removeprefix("file://"))
    report = artifacts / "report.html"
    return str(report.relative_to(home)) if report.is_file() and report.is_relative_to(home) else None


def _find(project: Project, condition: str) -> list[Run]:
    client = registry.connect()
    experiment = client.get_experiment_by_name(project.name)
    return list(client.search_runs([experiment.experiment_id], condition)) if experiment else []


def _latest(client: SyncPrefectClient, project: Project, since: datetime) -> FlowRun | None:
    """Return the newest run of the retraining that was created after *since*."""
    found = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["retrain"])),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[project.name])),
        flow_run_filter=FlowRunFilter(
            expected_start_time=FlowRunFilterExpectedStartTime.model_validate({"after_": since})
        ),
    )
    alarmed = [run for run in found if run.parameters.get("trigger") == "alarm"]
    return max(alarmed, key=lambda run: str(run.expected_start_time)) if alarmed else None


def _completed(run: FlowRun, flow: str) -> FlowRun:
    if run.state is None or not run.state.is_completed():
        state = f"{run.state.name}: {run.state.message}" if run.state else "no state"
        raise Unreachable(
            f"{flow} run {run.name} ended in {state}; see its page in Prefect, and .regrow/logs/runner.log"
        )
    return run
