"""What was missed is done once."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Pending, Running

from deployments.catch_up import catch_up, free_stranded
from deployments.register import read_flows, register
from regrow.data.times import as_utc
from regrow.lineage.missed import moment_of
from regrow.lineage.pages import all_flow_runs
from regrow.lineage.runs import BY_SCHEDULE
from regrow.project import Project
from regrow.services import Services
from regrow.services.flow_runs import FLOW_RUN


@pytest.fixture
def deployed(services: Services, project: Callable[..., Project]) -> Project:
    """Deploy a model that is monitored daily, over a window of a day, and looks at its rollout every ten minutes."""
    made = project(
        monitoring={"schedule": "30 6 * * *", "window": "1d"},
        deployment={"server": False, "rollout_schedule": "*/10 * * * *"},
    )
    asyncio.run(register([made], read_flows()))
    return made


def runs_of(project: Project, flow: str) -> list[FlowRun]:
    """Return the runs of *flow* for *project*, oldest moment first."""
    with get_client(sync_client=True) as client:
        wanted = client.read_deployment_by_name(f"{flow}/{project.name}").id
        runs = [run for run in all_flow_runs(client) if run.deployment_id == wanted]
    return sorted(runs, key=lambda run: str(run.parameters.get("as_of", run.expected_start_time)))


def started(project: Project, flow: str) -> list[str]:
    """Return the moments as of which *flow* was started to make up for what was missed."""
    return [run.parameters["as_of"] for run in runs_of(project, flow) if "as_of" in run.parameters]


def test_after_days_away_each_window_is_looked_at_once(deployed: Project) -> None:
    """Four days later the monitor is started for each of the four, the rollout once; again starts nothing.

    Of the runs that Prefect had planned in advance those that are still needed stay, the others are cancelled.
    """
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(days=4)
    told = catch_up([deployed], now)
    assert len(told) == 2 and all(deployed.name in line for line in told)
    wanted = [now.replace(hour=6, minute=30, second=0) - timedelta(days=back) for back in range(5)]
    moments = {moment for moment in wanted if moment <= now and (now - moment) <= timedelta(days=4)}
    found = {datetime.fromisoformat(moment) for moment in started(deployed, "monitor")}
    late = {
        as_utc(planned)
        for run in runs_of(deployed, "monitor")
        if (planned := run.expected_start_time) and planned <= now and "as_of" not in run.parameters
        if run.state and run.state.is_scheduled()
    }
    assert found | late >= set(sorted(moments)[-3:])
    assert len(started(deployed, "rollout")) <= 1
    # Prefect plans runs of its own meanwhile: what counts is what was started.
    before = (started(deployed, "monitor"), started(deployed, "rollout"))
    catch_up([deployed], now)
    assert (started(deployed, "monitor"), started(deployed, "rollout")) == before


def test_a_newer_run_hides_no_day_that_was_missed(deployed: Project) -> None:
    """Prefect, back after a week, has begun today's run before anyone looked: each day before is looked at once too."""
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(days=8)
    days = [now.replace(hour=6, minute=30, second=0) - timedelta(days=back) for back in range(7)]
    newest, *missed = [day for day in days if day <= now]
    deadline = time.monotonic() + 120
    while not runs_of(
        deployed, "monitor"
    ):  # Prefect plans the first ones within a minute, before it goes away
        assert time.monotonic() < deadline
        time.sleep(0.5)
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"monitor/{deployed.name}")
        given = {"trigger": BY_SCHEDULE, "as_of": newest.isoformat()}
        today = client.create_flow_run_from_deployment(deployment.id, parameters=given)
        client.set_flow_run_state(today.id, Running(), force=True)
    catch_up([deployed], now)
    planned = {
        moment_of(run) for run in runs_of(deployed, "monitor") if run.state and run.state.is_scheduled()
    }
    assert set(missed) <= planned
    assert started(deployed, "monitor").count(newest.isoformat()) == 1


def test_a_run_that_a_dead_runner_had_taken_is_planned_anew(deployed: Project) -> None:
    """A run that waits for a process which never came is planned anew; one whose process lives is left alone."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"monitor/{deployed.name}")
        stranded, living = (client.create_flow_run_from_deployment(deployment.id) for _ in range(2))
        for run in (stranded, living):
            client.set_flow_run_state(run.id, Pending(), force=True)
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ | {FLOW_RUN: str(living.id)}
        )
        try:
            assert free_stranded() == [stranded.name]
        finally:
            process.kill()
            process.wait()
        found = [client.read_flow_run(run.id).state for run in (stranded, living)]
    assert [state and state.type for state in found] == [StateType.SCHEDULED, StateType.PENDING]
