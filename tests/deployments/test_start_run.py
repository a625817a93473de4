"""The command that starts a flow run, and the preloaded process that it asks: without Prefect's worker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from deployments import preloaded
from deployments.preloaded import AS_FORK

LIGHT = (
    "import pathlib; from deployments import preloaded; preloaded.ROOT = pathlib.Path.cwd();"
    "preloaded.PACKAGES = ('code',); preloaded.main(('prefect.flow_engine',))"
)
TELLING = "import sys; sys.path.insert(0, 'code'); " + LIGHT
"""One that finds what a test puts into its folder of code."""
THREAD = "import threading, time; threading.Thread(target=time.sleep, args=(60,), name='t9', daemon=True).start(); "
ENGINE = "Invalid flow run id"
"""What `prefect.engine` says of a flow run's id that is none, before it ends with 1."""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the code that the preloaded process holds be one file, which this test alone changes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "no id")
    (tmp_path / "code").mkdir()
    file = tmp_path / "code" / "step.py"
    file.write_text("")
    return file


@contextmanager
def preloading(program: str) -> Iterator[None]:
    """Let *program* be the preloaded process meanwhile."""
    with preloaded.running((sys.executable, "-c", program)):
        yield


def run() -> tuple[int, bool]:
    """Run the command to its end; return its exit code, and whether the run was a fork."""
    ended = subprocess.run(AS_FORK, capture_output=True, text=True, check=False)
    assert ENGINE in ended.stdout + ended.stderr
    return ended.returncode, "nothing is preloaded" not in ended.stderr


def test_the_exit_code_is_that_of_the_engine(code: Path) -> None:
    """A run is a fork; what it prints and its exit code are those of the command."""
    with preloading(LIGHT):
        assert run() == (1, True)


def test_another_module_runs_as_a_fork_too(code: Path) -> None:
    """The module that is named runs in place of Prefect's engine, with the command's folder, output and exit code."""
    (code.parent / "told.py").write_text("import os, sys; print(os.getcwd(), __name__); sys.exit(7)")
    with preloading(TELLING):
        ended = subprocess.run([*AS_FORK, "told"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (7, f"{code.parents[1]} __main__\n")


def test_a_run_without_a_preloaded_process_is_a_new_process(code: Path) -> None:
    """If none was started the command becomes Prefect's own."""
    assert run() == (1, False)


@pytest.mark.long
@pytest.mark.parametrize(
    ("broken", "reason"), [("import no_such_module", "no_such_module"), (THREAD + LIGHT, "t9")]
)
def test_runs_go_on_if_nothing_can_be_preloaded(
    broken: str, reason: str, code: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """If an import fails or has started a thread, runs are new processes, and the log says why."""
    with preloading(broken):
        assert [run(), run()] == [(1, False), (1, False)]
    said = [record.getMessage() for record in caplog.records if record.name == "regrow.deployments"]
    assert all("nothing is preloaded" in each for each in said) and said
    assert reason in capfd.readouterr().err


@pytest.mark.long
def test_changed_code_is_imported_anew(code: Path) -> None:
    """After a change the next run is the fork of a process with the new code."""
    (code.parent / "told.py").write_text("import os; print(os.getppid())")
    with preloading(TELLING):
        before = {parent() for _ in range(2)}
        code.write_text("changed = True")
        os.utime(code, ns=(time.time_ns(), time.time_ns() + 1))
        after = {parent() for _ in range(2)}
    assert len(before) == len(after) == 1
    assert before != after


def parent() -> int:
    """Return the process that a run is forked from."""
    ended = subprocess.run([*AS_FORK, "told"], capture_output=True, text=True, check=True)
    assert "nothing is preloaded" not in ended.stderr
    return int(ended.stdout)


def test_it_ends_when_nothing_asks_and_the_next_run_starts_another(code: Path) -> None:
    """A process that nothing has asked for a while is gone, and the next run is a fork again."""
    (code.parent / "told.py").write_text("import os; print(os.getppid())")
    with preloading(TELLING.replace("engine',)", "engine',), idle=0.5")):
        first = parent()
        wait_for_end(first)
        assert parent() != first
        folder = Path(os.environ[preloaded.ADDRESS]).parent
    assert not folder.exists()


@pytest.mark.long
def test_a_killed_one_is_replaced_for_the_next_run_and_the_last_ends_with_the_runner(code: Path) -> None:
    """`kill -9` costs no run; the process does not outlive the one that listens."""
    (code.parent / "told.py").write_text("import os; print(os.getppid())")
    with preloading(TELLING):
        first = parent()
        os.kill(first, signal.SIGKILL)
        second = parent()
    assert second != first
    wait_for_end(second)


def wait_for_end(pid: int) -> None:
    """Return once the process *pid* has ended; fail after a minute."""
    deadline = time.monotonic() + 60
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.long
def test_what_is_preloaded_starts_no_thread(tmp_path: Path) -> None:
    """A fork loses every thread but the main one, so no import may start one, not even in a native library.

    jemalloc's and OpenBLAS's threads stop for a fork and start again by themselves.
    """
    program = (
        "import os, pathlib, importlib, deployments.preloaded as preloaded;"
        "[importlib.import_module(name) for name in preloaded.MODULES];"
        "(os.fork() and os.wait()) or os._exit(0);"
        "print([(task / 'comm').read_text().strip() for task in pathlib.Path('/proc/self/task').iterdir()"
        " if int(task.name) != os.getpid()])"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True, timeout=240
    )
    assert set(eval(ended.stdout.splitlines()[-1])) <= {"jemalloc_bg_thd"}  # noqa: S307
