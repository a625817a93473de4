"""The local servers start together, stop together, and say what is wrong."""

import os
import signal
import socket
import sys
import time
from importlib import import_module
from inspect import signature
from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from regrow.errors import StateError, Unreachable
from regrow.services import Services, running, stop_running
from regrow.services.commands import check_port
from regrow.services.ownership import describe, held, prepare_home, stop_survivors, write_record
from regrow.services.postgres import _forget_stale_postmaster, start_database, stop_database
from regrow.services.process import start_process, started_at, stop_survivor, stop_together, tail
from regrow.settings import Settings


def sleeper(name: str, log: Path, code: str = "import time; time.sleep(60)"):
    return start_process(name, [sys.executable, "-c", code], dict(os.environ), log, lambda: True)


def test_the_servers_answer_and_the_environment_points_at_them(services: Services) -> None:
    """Inside `running`, Prefect answers and both libraries' variables name the started servers."""
    assert httpx.get(f"{os.environ['PREFECT_API_URL']}/health").json() is True
    assert os.environ["MLFLOW_TRACKING_URI"] == services.tracking_uri
    assert set(services.addresses()) == {"postgres", "prefect"}


def test_a_second_start_names_the_first(services: Services) -> None:
    """A state folder in use is a `StateError` that names the process."""
    with (
        pytest.raises(StateError, match=rf"pid {os.getpid()}.*regrow down"),
        running(services.settings, set()),
    ):
        pass


def test_a_port_in_use_names_the_setting(tmp_path: Path) -> None:
    """Before anything starts, a port in use is an error that names the port and the variable."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(StateError, match=f"port {port}.*REGROW_PREFECT_PORT"):
            check_port("prefect", Settings(home=tmp_path, prefect_port=port))


def test_a_state_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    """A state folder that cannot be written is a `StateError` that names REGROW_HOME."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="REGROW_HOME"):
        prepare_home(tmp_path / "file")


def test_a_service_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    """A service that dies says its name, its exit code and what it printed last."""
    process = sleeper("the oracle", tmp_path / "o.log", "print('out of wisdom'); raise SystemExit(3)")
    process.handle.wait()
    with pytest.raises(Unreachable, match=r"(?s)the oracle.*exit code 3.*out of wisdom"):
        process.check_alive()


def test_stopping_a_process_stops_what_it_started(tmp_path: Path) -> None:
    """Nothing that a service started outlives it, though only the service is told to stop."""
    code = "import subprocess as s, time; print(s.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    process = sleeper("parent", tmp_path / "p.log", code)
    while not (text := tail(tmp_path / "p.log")).isdigit():
        time.sleep(0.05)
    stop_together([process])
    deadline = time.monotonic() + 5
    while started_at(int(text)) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert started_at(int(text)) is None


def test_survivors_of_a_killed_start_are_stopped(tmp_path: Path) -> None:
    """Recorded processes that still run are ended, and the record is forgotten."""
    process = sleeper("left over", tmp_path / "s.log")
    write_record(tmp_path, [describe("left over", process.handle.pid)])
    assert stop_survivors(tmp_path) == ["left over"]
    assert started_at(process.handle.pid) is None
    assert stop_survivors(tmp_path) == []


def test_a_reused_process_number_is_left_alone(tmp_path: Path) -> None:
    """A process that has the number of a recorded one, but started at another time, is not touched."""
    process = sleeper("innocent", tmp_path / "i.log")
    assert stop_survivor(process.handle.pid, 1.0, signal.SIGTERM) is False
    assert process.handle.poll() is None
    stop_together([process])


def test_a_lock_is_free_after_the_holder(tmp_path: Path) -> None:
    """The folder is refused to a second holder, and can be held again once it was let go of."""
    for _ in range(2):
        with held(tmp_path), pytest.raises(StateError), held(tmp_path):
            pass


def test_down_without_up_stops_nothing(tmp_path: Path) -> None:
    """`regrow down` on a folder that nothing uses does nothing and says so by an empty list."""
    assert stop_running(Settings(home=tmp_path)) == []
    assert stop_running(Settings(home=tmp_path / "never")) == []


def test_a_stale_postmaster_file_is_forgotten(tmp_path: Path) -> None:
    """A postmaster.pid that names a process that is no PostgreSQL does not stop the start."""
    file = tmp_path / "postmaster.pid"
    file.write_text(f"{os.getpid()}\n")
    _forget_stale_postmaster(file)
    assert not file.exists()


def test_a_database_that_is_down_is_named_without_its_password(tmp_path: Path) -> None:
    """A given database that does not answer is `Unreachable`, and its password is not in the message."""
    url = SecretStr("postgresql://me:hunter2@127.0.0.1:1/postgres")
    with pytest.raises(Unreachable, match="REGROW_DATABASE_URL") as caught:
        start_database(Settings(home=tmp_path, database_url=url))
    assert "hunter2" not in str(caught.value)


def test_another_database_kind_is_refused(tmp_path: Path) -> None:
    """SQLite as the shared database is refused with the form of the right URL."""
    with pytest.raises(StateError, match="needs PostgreSQL"):
        start_database(Settings(home=tmp_path, database_url=SecretStr("sqlite:///x.db")))


def test_a_given_database_is_used_and_left_running(services: Services, tmp_path: Path) -> None:
    """A database given by URL holds Prefect's and MLflow's data, and a stop leaves it alone."""
    address = services.database.url.render_as_string(hide_password=False)
    given = start_database(Settings(home=tmp_path, database_url=SecretStr(address)))
    stop_database(given)
    assert given.pid is None
    with psycopg.connect(services.database.url.set(drivername="postgresql").render_as_string()) as connection:
        names = {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}
    assert {"prefect", "mlflow"} <= names


@pytest.mark.parametrize(
    "worker", ["prefect.events.worker:EventsWorker", "prefect.logging.handlers:APILogWorker"]
)
def test_prefect_still_sends_what_is_left_when_asked(worker: str) -> None:
    """Both of Prefect's senders, which are not its documented interface, can be drained before its server stops."""
    module, name = worker.split(":")
    signature(getattr(import_module(module), name).drain_all).bind(timeout=1.0, at_exit=False)
