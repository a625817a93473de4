"""Flow runs that are forks of the zygote behave as processes of their own do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.states import Cancelling

from deployments.automations import on_silence
from regrow.services import Services

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]


class ProbeRunner:
    """A runner of the probe flows in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.name, self.log = f"probe-{uuid4().hex[:8]}", folder / "runner.log"
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        changes = {
            "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)]),
            "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "probe_runner.py"), self.name],
                env=kept | changes,
                stdout=stream,
                stderr=stream,
                cwd=folder,
            )

    def start(self, flow: str, wait: float = 0, **parameters: object) -> FlowRun:
        """Create a run of *flow*; wait for its end as long as *wait* seconds."""
        found: Any = run_deployment(
            f"{flow}/{self.name}", parameters=parameters, timeout=wait, poll_interval=0.2, as_subflow=False
        )
        return found

    def zygote(self) -> psutil.Process:
        """Give the process that runs are forked from."""
        children = psutil.Process(self.process.pid).children()
        (found,) = [each for each in children if each.is_running() and "zygote" in each.cmdline()]
        return found

    def end(self) -> None:
        """Stop the runner and what is left of it."""
        family = (
            psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        )
        self.process.terminate()
        self.process.wait(30)
        for each in psutil.wait_procs(family, 10)[1]:
            each.kill()


@pytest.fixture(scope="module")
def runner(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProbeRunner]:
    """Run the probe flows for all tests of this file."""
    made = ProbeRunner(tmp_path_factory.mktemp("runner"))
    try:
        wait(lambda: serves(made), 60)
        yield made
    finally:
        made.end()


def serves(runner: ProbeRunner) -> bool:
    """Say whether *runner* takes runs; fail where it has ended."""
    assert runner.process.poll() is None, runner.log.read_text()
    return "serving" in runner.log.read_text()


def wait(until: Callable[[], object], patience: float) -> None:
    """Return once *until* holds; fail after *patience* seconds."""
    deadline = time.monotonic() + patience
    while not until():
        assert time.monotonic() < deadline, f"not within {patience} s"
        time.sleep(0.1)


def state(run: FlowRun) -> str:
    """Name the type of the present state of *run*."""
    with get_client(sync_client=True) as client:
        present = client.read_flow_run(run.id).state
    return present.type.value if present else ""


def process_of(runner: ProbeRunner, run: FlowRun) -> psutil.Process:
    """Wait until *run* is running, and give its process: the youngest child of the zygote."""
    wait(lambda: state(run) == "RUNNING", 30)
    return max(runner.zygote().children(), key=lambda each: each.create_time())


def lives(process: psutil.Process) -> bool:
    """Say whether *process* runs: an orphan that has ended may wait for ever for its parent to ask."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def result(run: FlowRun) -> dict[str, Any]:
    """Give what the flow of *run* returned."""
    assert run.state is not None
    assert run.state.is_completed(), run.state
    found: Any = run.state.result()
    return found


def heartbeats(run: FlowRun) -> int:
    """Count the heartbeats that have reached the server."""
    wanted = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run.id}"]},
    }
    url = f"{os.environ['PREFECT_API_URL']}/events/filter"
    return httpx.post(url, json={"filter": wanted}).raise_for_status().json()["total"]


def logged(run: FlowRun) -> list[str]:
    """Give what the server has of the log of *run*."""
    with get_client(sync_client=True) as client:
        found = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
    return [entry.message for entry in found]


def test_a_run_is_a_fork_that_completes_and_logs(runner: ProbeRunner) -> None:
    """The run is the zygote's child; its log reaches the server, and the runner's own log."""
    run = runner.start("look", wait=60, mark="indigo")
    assert result(run)["parent"] == runner.zygote().pid
    assert "the mark is indigo" in runner.log.read_text()
    wait(lambda: "the mark is indigo" in logged(run), 10)


def test_nothing_of_one_run_is_left_for_the_next(runner: ProbeRunner) -> None:
    """The next run sees its own id, the runner's folder and environment, and draws other random numbers."""
    first, second = (runner.start("look", wait=60, mark=mark) for mark in ("one", "two"))
    seen = result(second)
    assert seen["run"] == str(second.id)
    assert (seen["trace"], seen["folder"]) == (None, str(runner.log.parent))
    assert result(first)["pid"] != seen["pid"]
    assert result(first)["draw"] != seen["draw"]


def test_a_killed_run_is_marked_as_crashed(runner: ProbeRunner) -> None:
    """`kill -9` of the run's process is seen within seconds."""
    run = runner.start("linger")
    process_of(runner, run).kill()
    wait(lambda: state(run) == "CRASHED", 10)


def test_a_cancelled_run_stops(runner: ProbeRunner) -> None:
    """A run that is cancelled in the UI ends, and is cancelled, not crashed."""
    run = runner.start("linger")
    process = process_of(runner, run)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelling())
    wait(lambda: state(run) == "CANCELLED", 30)
    wait(lambda: not lives(process), 10)


def test_runs_of_a_killed_zygote_crash_and_the_next_has_a_new_one(runner: ProbeRunner) -> None:
    """Where the zygote is killed, its runs are crashed, not forgotten, and the next run completes."""
    run = runner.start("linger")
    process, zygote = process_of(runner, run), runner.zygote()
    zygote.kill()
    wait(lambda: state(run) == "CRASHED", 10)
    assert not lives(process)
    assert runner.start("look", wait=60).state.is_completed()
    assert runner.zygote().pid != zygote.pid


def test_a_run_whose_runner_is_killed_too_is_marked_by_its_silence(
    services: Services, tmp_path: Path
) -> None:
    """No process is left to tell of the run's end: the automation on missing heartbeats marks it as crashed."""
    lone = ProbeRunner(tmp_path)
    automation = on_silence(timedelta(seconds=10)).model_copy(update={"name": lone.name})
    with get_client(sync_client=True) as client:
        made = client.create_automation(automation)
        try:
            wait(lambda: serves(lone), 60)
            run = lone.start("linger")
            wait(lambda: heartbeats(run), 30)
            family = [process_of(lone, run), lone.zygote(), psutil.Process(lone.process.pid)]
            for each in reversed(family):
                each.send_signal(signal.SIGKILL)
            lone.process.wait()
            assert state(run) == "RUNNING"
            wait(lambda: state(run) == "CRASHED", 60)
        finally:
            client.delete_automation(made)
