"""Flow runs that are forks of the preloaded process behave as processes of their own do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.serializers import PickleSerializer
from prefect.states import Cancelling
from prefect_http import signed_in

from deployments.automations import on_silence
from regrow.services import Services

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
AT_ONCE = 2
"""Runs that the runner has under way side by side."""


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
                [sys.executable, str(HERE / "probe_runner.py"), self.name, str(AT_ONCE)],
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

    def preloaded(self) -> psutil.Process:
        """Return the process that runs are forked from."""
        children = [each for each in psutil.Process(self.process.pid).children() if lives(each)]
        (found,) = [each for each in children if "preloaded" in each.cmdline()]
        return found

    def commands(self) -> list[psutil.Process]:
        """Return the commands that Prefect's worker has started, one for each run."""
        children = [each for each in psutil.Process(self.process.pid).children() if lives(each)]
        return [each for each in children if "preloaded" not in each.cmdline()]

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
        wait(lambda: serves(made), 180)
        yield made
    finally:
        made.end()


def serves(runner: ProbeRunner) -> bool:
    """Return whether *runner* takes runs; fail if it has ended."""
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
    """Wait until *run* is running, and return its process: the youngest fork."""
    wait(lambda: state(run) == "RUNNING", 120)
    return max(runner.preloaded().children(), key=lambda each: each.create_time())


def lives(process: psutil.Process) -> bool:
    """Return whether *process* runs: an orphan that has ended may wait for ever for its parent to ask."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def result(run: FlowRun) -> dict[str, Any]:
    """Return what the flow of *run* returned."""
    assert run.state is not None
    assert run.state.is_completed(), run.state
    # Regrow itself reads no pickle.
    return PickleSerializer().loads(Path(str(run.state.data.storage_key)).read_bytes())


def heartbeats(run: FlowRun) -> int:
    """Count the heartbeats that have reached the server."""
    wanted = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run.id}"]},
    }
    with signed_in(os.environ["PREFECT_API_URL"], os.environ["PREFECT_API_AUTH_STRING"]) as client:
        return client.post("/events/filter", json={"filter": wanted}).raise_for_status().json()["total"]


def logged(run: FlowRun) -> list[str]:
    """Return what the server has of the log of *run*."""
    with get_client(sync_client=True) as client:
        found = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
    return [entry.message for entry in found]


def test_a_run_is_a_fork_that_completes_and_logs(runner: ProbeRunner) -> None:
    """The run is a child of the preloaded process; its log reaches the server, and the runner's own log."""
    run = runner.start("look", wait=60, mark="indigo")
    assert result(run)["parent"] == runner.preloaded().pid
    assert "the mark is indigo" in runner.log.read_text()
    wait(lambda: "the mark is indigo" in logged(run), 10)


@pytest.mark.long
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


@pytest.mark.long
def test_no_more_runs_are_under_way_than_the_runner_may_have(runner: ProbeRunner) -> None:
    """Of three runs that are due at once the third begins when another one has ended."""
    runs = [runner.start("linger", seconds=8) for _ in range(3)]
    wait(lambda: len(runner.preloaded().children()) == AT_ONCE, 60)
    seen = set[int]()
    while not all(state(run) == "COMPLETED" for run in runs):
        seen.add(len(runner.preloaded().children()))
        time.sleep(0.2)
    assert max(seen) == AT_ONCE


@pytest.mark.long
def test_a_cancelled_run_stops(runner: ProbeRunner) -> None:
    """A run that is cancelled in the UI ends, and is cancelled, not crashed."""
    run = runner.start("linger")
    process = process_of(runner, run)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelling())
    wait(lambda: state(run) == "CANCELLED", 30)
    wait(lambda: not lives(process), 10)


@pytest.mark.long
def test_a_run_ends_with_its_command(runner: ProbeRunner) -> None:
    """If the command that Prefect has started for a run is killed, so is the run, and it is marked as crashed."""
    run = runner.start("linger")
    process = process_of(runner, run)
    (command,) = runner.commands()
    command.kill()
    wait(lambda: state(run) == "CRASHED", 10)
    wait(lambda: not lives(process), 10)


@pytest.mark.long
def test_runs_outlive_a_killed_preloaded_process_and_the_next_has_a_new_one(runner: ProbeRunner) -> None:
    """If the preloaded process is killed, its runs go on, and another one is started for those to come."""
    run = runner.start("linger", seconds=5)
    process, before = process_of(runner, run), runner.preloaded()
    before.kill()
    assert lives(process)
    wait(lambda: state(run) == "COMPLETED", 60)
    wait(lambda: result(runner.start("look", wait=60))["parent"] != runner.process.pid, 60)
    assert runner.preloaded().pid != before.pid


@pytest.mark.long
def test_a_runner_that_is_told_to_stop_leaves_no_process(services: Services, tmp_path: Path) -> None:
    """What it runs ends with it."""
    lone = ProbeRunner(tmp_path)
    wait(lambda: serves(lone), 180)
    process = process_of(lone, lone.start("linger"))
    family = [process, *psutil.Process(lone.process.pid).children(recursive=True)]
    lone.process.terminate()
    assert lone.process.wait(30) == 0
    wait(lambda: not any(lives(each) for each in family), 30)


@pytest.mark.long
def test_a_run_whose_runner_is_killed_too_is_marked_by_its_silence(
    services: Services, tmp_path: Path
) -> None:
    """No process is left to tell of the run's end: the automation on missing heartbeats marks it as crashed."""
    lone = ProbeRunner(tmp_path)
    automation = on_silence(timedelta(seconds=10)).model_copy(update={"name": lone.name})
    with get_client(sync_client=True) as client:
        made = client.create_automation(automation)
        try:
            wait(lambda: serves(lone), 180)
            run = lone.start("linger")
            wait(lambda: heartbeats(run), 30)
            family = [process_of(lone, run), lone.preloaded(), psutil.Process(lone.process.pid)]
            for each in reversed(family):
                with suppress(psutil.NoSuchProcess):  # the preloaded process ends with its runner
                    each.send_signal(signal.SIGKILL)
            lone.process.wait()
            assert state(run) == "RUNNING"
            wait(lambda: state(run) == "CRASHED", 60)
        finally:
            client.delete_automation(made)
