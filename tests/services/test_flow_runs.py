"""The processes of flow runs that a dead runner has left."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from regrow.services.flow_runs import FLOW_RUN, end_left_flow_runs, living_flow_runs

Start = Callable[[Path], tuple[UUID, "subprocess.Popen[bytes]"]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start processes that look like flow runs, and end them."""
    started: list[subprocess.Popen[bytes]] = []

    def run(home: Path) -> tuple[UUID, "subprocess.Popen[bytes]"]:
        name = uuid4()
        environment = os.environ | {FLOW_RUN: str(name), "REGROW_HOME": str(home)}
        command = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
        started.append(subprocess.Popen(command, env=environment, start_new_session=True))
        while name not in living_flow_runs():
            time.sleep(0.02)
        return name, started[-1]

    yield run
    for each in started:
        each.kill()
        each.wait()


def test_only_the_flow_runs_of_the_state_folder_are_ended(start: Start, tmp_path: Path) -> None:
    """What is left of this folder's flow runs ends, those of another folder go on; a second time there is nothing."""
    (one, _), (other, theirs) = start(tmp_path / "ours"), start(tmp_path / "theirs")
    assert end_left_flow_runs(tmp_path / "ours") == 1
    assert one not in living_flow_runs()
    assert theirs.poll() is None and other in living_flow_runs()
    assert end_left_flow_runs(tmp_path / "ours") == 0
