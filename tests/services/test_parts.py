"""The parts of the stack, with small processes in their place."""

# Stand-ins for the parts beside what is tested are of no declared type.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from regrow.base.provenance import start_of
from regrow.services.commands import SERVER_PATIENCE, TITLES, Command
from regrow.services.parts import DatabasePart, ProcessPart
from regrow.services.postgres import Database
from regrow.services.process import ServiceProcess, start_process, stop_together
from regrow.services.supervision import Supervisor
from regrow.serving.processes import FLUSH_SECONDS, GRACE_SECONDS

SLEEP = "import time; time.sleep(60)"
Make = Callable[..., ProcessPart]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make parts that run a line of Python, and end them."""
    made: list[ProcessPart] = []

    def part(service: str, code: str = SLEEP, **changes: object) -> ProcessPart:
        words = [sys.executable, "-S", "-c", code]
        log = tmp_path / f"{service}.log"
        made.append(
            ProcessPart(service, log, lambda: Command(TITLES[service], words, lambda: True), dict, **changes)
        )
        return made[-1]

    yield part
    stop_together([part.process for part in made if part.process])


def look_until(supervisor: Supervisor, name: str, restarts: int) -> None:
    """Look at the parts until *name* has come back *restarts* times."""
    deadline = time.monotonic() + 20
    while supervisor.watched[name].restarts < restarts:
        supervisor.look()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_each_of_the_processes_is_killed_twice_and_none_is_doubled(make: Make) -> None:
    """Parts that are killed twice run once each afterwards, under a new number; what they left behind is gone."""
    children = "import subprocess as s; print(s.Popen(['sleep', '60']).pid, flush=True); "
    parts = [make("prefect", children + SLEEP), make("mlflow")]
    for part in parts:
        part.start()
    told: list[str] = []
    supervisor = Supervisor(parts, told.append)
    numbers: list[int] = []
    left = []
    for restart in (1, 2):
        for part in parts:
            assert part.process
            numbers.append(part.process.handle.pid)
            if part.service == "prefect":
                while not part.log.read_text().strip():
                    time.sleep(0.02)
                left.append(int(part.log.read_text()))
            os.kill(numbers[-1], 9)
            look_until(supervisor, part.name, restart)
    running = [
        part.process.handle.pid for part in parts if part.process and part.process.handle.poll() is None
    ]
    assert len(running) == 2 and not set(running) & set(numbers)
    assert [start_of(pid) for pid in left] == [None, None]
    assert sum("killed by signal 9" in line for line in told) == 4


def test_what_a_record_holds_is_the_process_that_runs_now(make: Make) -> None:
    """A part without a living process has nothing to write down; a new one has its new number and its patience."""
    part = make("server")
    assert part.started() is None
    part.start()
    first = part.started()
    assert first and first.pid == part.process.handle.pid
    part.kill()
    assert part.started() is None
    part.start()
    assert part.started() and part.started().pid != first.pid


def test_the_runner_is_prepared_before_each_start(make: Make) -> None:
    """What tells that the runner is ready is taken away before it is started again."""
    prepared: list[int] = []
    part = make("runner", prepare=lambda: prepared.append(1))
    part.start()
    part.kill()
    part.start()
    assert len(prepared) == 2
    assert part.needs == ("Prefect",)


def test_the_model_server_has_longer_than_it_takes() -> None:
    """The supervisor waits longer than the model server may take for requests and journal."""
    assert SERVER_PATIENCE > GRACE_SECONDS + FLUSH_SECONDS


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[list[ServiceProcess]]:
    """Collect processes that play PostgreSQL, and end them."""
    started: list[ServiceProcess] = []
    yield started
    stop_together(started)


def test_the_database_is_watched_though_it_is_no_child(
    tmp_path: Path, postgres: list[ServiceProcess]
) -> None:
    """PostgreSQL that ends is noticed and started again, and the others are told its address each time."""

    def run() -> Database:
        log = tmp_path / "postgres.log"
        command = [sys.executable, "-S", "-c", SLEEP]
        postgres.append(start_process("PostgreSQL", command, dict(os.environ), log, lambda: True))
        return Database(make_url(f"postgresql:///{len(postgres)}"), postgres[-1].handle.pid)

    used: list[str | None] = []
    part = DatabasePart(tmp_path, run, lambda database: used.append(database.url.database))
    part.start()
    assert part.how_it_ended() is None
    assert part.started() and part.started().pid == postgres[0].handle.pid
    postgres[0].handle.kill()
    look_until(Supervisor([part], print), "PostgreSQL", 1)
    assert part.started() and part.started().pid == postgres[1].handle.pid
    assert used == ["1", "2"]
