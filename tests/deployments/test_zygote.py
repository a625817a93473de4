"""The zygote on its own: when it is used, when it is not, and which code it holds."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deployments import preloaded
from deployments.preloaded import ENGINE, Child, Starter

LIGHT = "from deployments import zygote; zygote.preload = lambda: None; zygote.main()"
THREAD = "import threading, time; threading.Thread(target=time.sleep, args=(60,), name='t9', daemon=True).start(); "
CHANGES = {"PREFECT__FLOW_RUN_ID": "no id", "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}


class Told:
    """What Prefect is told of a started process."""

    def __init__(self) -> None:
        self.processes: list[Any] = []

    def started(self, process: object) -> None:
        self.processes.append(process)


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the code that the zygote holds be one file, which this test alone changes."""
    monkeypatch.setattr(preloaded, "ROOT", tmp_path)
    monkeypatch.setattr(preloaded, "PACKAGES", ("code",))
    (tmp_path / "code").mkdir()
    file = tmp_path / "code" / "step.py"
    file.write_text("")
    return file


def start(code: str) -> Starter:
    """Make a starter whose zygote runs *code*, and wait for its answer."""

    async def plain(command: list[str], **told: Any) -> str:
        told["task_status"].started("plain")
        return "plain"

    starter = Starter(plain, (sys.executable, "-c", code))
    starter.wait()
    return starter


def run(starter: Starter, command: list[str] = ENGINE) -> Any:
    """Run the engine with a flow run's id that is none: it ends at once with 1."""
    told = Told()
    process = asyncio.run(
        starter.run_process(
            command, task_status=told, task_status_handler=lambda each: each, env=os.environ | CHANGES
        )
    )
    assert told.processes == [process]
    return process


def test_the_exit_code_is_that_of_the_engine() -> None:
    """A run's process is a fork, and its exit code reaches Prefect."""
    starter = start(LIGHT)
    process = run(starter)
    assert (type(process), process.returncode) == (Child, 1)
    starter.retire()


def test_another_command_is_a_plain_process() -> None:
    """What is not the engine is started as Prefect would."""
    starter = start(LIGHT)
    assert run(starter, ["sh", "-c", "true"]) == "plain"
    starter.retire()


@pytest.mark.parametrize(
    ("broken", "reason"), [("import no_such_module", "cannot be imported"), (THREAD + LIGHT, "t9")]
)
def test_without_a_zygote_runs_are_plain_processes(
    broken: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the flows cannot be imported, or an import has started a thread, runs go on and the log says why, once."""
    starter = start(broken)
    assert [run(starter), run(starter)] == ["plain", "plain"]
    (said,) = [record.getMessage() for record in caplog.records if record.name == "regrow.deployments"]
    assert reason in said


def test_changed_code_is_imported_anew(code: Path) -> None:
    """After a change the next run is a plain process with the new code, those after it forks of a new zygote."""
    starter = start(LIGHT)
    before = starter._zygote
    code.write_text("changed = True")
    os.utime(code, ns=(time.time_ns(), time.time_ns() + 1))
    assert run(starter) == "plain"
    assert starter.wait()
    assert isinstance(run(starter), Child)
    deadline = time.monotonic() + 20
    while not before.has_ended():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    starter.retire()
