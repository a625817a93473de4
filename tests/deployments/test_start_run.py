"""The command that starts a flow run, and the preloaded process that it asks: without Prefect's worker."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployments import preloaded
from deployments.serve import COMMAND

LIGHT = (
    "import pathlib; from deployments import preloaded; preloaded.ROOT = pathlib.Path.cwd();"
    "preloaded.PACKAGES = ('code',); preloaded.main(('prefect.flow_engine',))"
)
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
def preloading(program: str) -> Iterator[bool]:
    """Run *program* as the preloaded process meanwhile; yield whether it is ready."""
    with preloaded.running((sys.executable, "-c", program)) as wait_until_ready:
        yield wait_until_ready()


def run() -> tuple[int, bool]:
    """Run the command to its end; return its exit code, and whether the run was a fork."""
    ended = subprocess.run(COMMAND.split(), capture_output=True, text=True, check=False)
    assert ENGINE in ended.stdout + ended.stderr
    return ended.returncode, "nothing is preloaded" not in ended.stderr


def test_the_exit_code_is_that_of_the_engine(code: Path) -> None:
    """A run is a fork; what it prints and its exit code are those of the command."""
    with preloading(LIGHT) as ready:
        assert ready
        assert run() == (1, True)


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
    """If an import fails or has started a thread, runs are new processes, and the log says why, once."""
    with preloading(broken) as ready:
        assert not ready
        assert [run(), run()] == [(1, False), (1, False)]
    (said,) = [record.getMessage() for record in caplog.records if record.name == "regrow.deployments"]
    assert "nothing is preloaded" in said
    assert reason in capfd.readouterr().err


@pytest.mark.long
def test_changed_code_is_imported_anew(code: Path) -> None:
    """After a change the next run is a new process with the new code, and soon those after it are forks again."""
    with preloading(LIGHT):
        assert run() == (1, True)
        code.write_text("changed = True")
        os.utime(code, ns=(time.time_ns(), time.time_ns() + 1))
        assert run() == (1, False)
        deadline = time.monotonic() + 60
        while not run()[1]:
            assert time.monotonic() < deadline


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


FORKED = """
import os, pathlib, signal, subprocess, sys, time
from deployments import preloaded
from deployments.serve import COMMAND

preloaded.ROOT, preloaded.PACKAGES = pathlib.Path.cwd(), ("code",)
again = (sys.executable, "-c", sys.argv[1])
begun = preloaded.begin(("prefect.flow_engine",), again)


def run():
    ended = subprocess.run(COMMAND.split(), capture_output=True, text=True)
    print(ended.returncode, "nothing is preloaded" not in ended.stderr, flush=True)


with preloaded.running(again, begun) as wait_until_ready:
    print(wait_until_ready(), flush=True)
    run()
    pathlib.Path("code/step.py").write_text("changed = True")
    os.utime("code/step.py", ns=(time.time_ns(), time.time_ns() + 1))
    run()
    assert wait_until_ready()
    run()
    os.kill(begun.pid, signal.SIGKILL)
    time.sleep(0.5)
    assert wait_until_ready()
    run()
print("left", begun.folder.exists())
"""


def test_the_first_preloaded_process_is_a_fork_of_the_runner(code: Path) -> None:
    """It answers runs, becomes another when code changes, is replaced when it is killed, and ends with the runner."""
    program = [sys.executable, "-c", FORKED, LIGHT]
    ended = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert ended.stdout.split("\n") == ["True", "1 True", "1 False", "1 True", "1 True", "left False", ""], (
        ended
    )
