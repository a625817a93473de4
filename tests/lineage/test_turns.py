"""Turns to train: between processes that end, and those that are killed."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from regrow.lineage import turn_to_train
from regrow.project import Project

HOLDER = """
import sys, time
from pathlib import Path
from regrow.lineage import turn_to_train
from regrow.project import load_project
with turn_to_train(load_project(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(project: Project, seconds: float) -> "subprocess.Popen[bytes]":
    """Take the turn of *project* in another process, which keeps it for *seconds*."""
    command = [sys.executable, "-c", HOLDER, str(project.path), str(seconds)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the turns in a folder of their own."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))


def test_a_turn_is_waited_for(project: Callable[..., Project]) -> None:
    """Who comes second begins when the first has ended, in one process too."""
    made, held, order = project(), threading.Event(), list[str]()

    def first() -> None:
        with turn_to_train(made):
            held.set()
            time.sleep(1)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(10)
    with turn_to_train(made):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.long
def test_a_training_waits_for_the_one_that_runs(project: Callable[..., Project]) -> None:
    """The second begins when the first has ended, not before."""
    made = project()
    holder = hold(made, 2.0)
    began = time.monotonic()
    with turn_to_train(made):
        assert time.monotonic() - began > 1.0
    assert holder.wait(30) == 0


@pytest.mark.long
def test_a_killed_training_keeps_nobody_waiting(project: Callable[..., Project]) -> None:
    """The turn of a process that is killed is free at once."""
    made = project()
    holder = hold(made, 600.0)
    holder.kill()
    holder.wait()
    began = time.monotonic()
    with turn_to_train(made):
        assert time.monotonic() - began < 1.0


@pytest.mark.long
def test_trainings_of_two_models_do_not_wait_for_each_other(project: Callable[..., Project]) -> None:
    """Each model has its own turn."""
    holder = hold(project(), 600.0)
    began = time.monotonic()
    with turn_to_train(project()):
        assert time.monotonic() - began < 1.0
    holder.kill()
    holder.wait()
