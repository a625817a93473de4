"""The embedded PostgreSQL lets in its owner with the password, and nobody else."""

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import URL

from regrow.services import embedded
from regrow.services.embedded import FAST_SHUTDOWN, SHORT, SOCKET, Running, end_left_over, start

ATTACKER = os.geteuid() == 0 and Path("/usr/bin/python3").exists()
"""Whether this process can become another user, who has a Python to attack with."""


@pytest.fixture
def home() -> Iterator[Path]:
    """Make a folder that only its owner can enter, and end what runs on it."""
    with tempfile.TemporaryDirectory(prefix="regrow-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
        for data in Path(folder).rglob("postmaster.pid"):
            end_left_over(data.parent)


def ask(running: Running, password: str | None, question: str) -> object:
    """Ask one question over the socket, as the database's owner."""
    url = URL.create(
        "postgresql", "postgres", password, database="postgres", query={"host": str(running.socket)}
    )
    address = url.render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True, connect_timeout=10) as connection:
        answer = connection.execute(question)  # pyright: ignore[reportArgumentType]
        return answer.fetchone()[0] if answer.description else None


def stop(running: Running) -> None:
    process = psutil.Process(running.pid)
    process.send_signal(FAST_SHUTDOWN)
    process.wait(20)


def test_who_has_no_password_is_refused(home: Path) -> None:
    """Without the password, or with another one, nothing is answered; a new password counts from the next start."""
    running = start(home / "postgres", "first")
    assert ask(running, "first", "SELECT 1") == 1
    for wrong in (None, "other"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            ask(running, wrong, "SELECT 1")
    again = start(home / "postgres", "second")  # which ends the first
    assert not psutil.pid_exists(running.pid)
    assert ask(again, "second", "SELECT 1") == 1
    with pytest.raises(psycopg.OperationalError, match="password"):
        ask(again, "first", "SELECT 1")


@pytest.mark.long
def test_data_of_an_earlier_version_is_switched_over(home: Path) -> None:
    """Data that asked for no password is all there, and asks for one before the first connection."""
    running = start(home / "postgres", "unused")
    ask(running, "unused", "CREATE TABLE kept AS SELECT 42 AS answer")
    stop(running)
    rules = home / "postgres" / "pg_hba.conf"
    rules.write_text("local all all trust\n")
    again = start(home / "postgres", "new")
    assert ask(again, "new", "SELECT answer FROM kept") == 42
    with pytest.raises(psycopg.OperationalError, match="password"):
        ask(again, None, "SELECT answer FROM kept")
    assert "trust" not in rules.read_text()


@pytest.mark.long
def test_a_long_path_gets_a_socket_folder_of_its_own(home: Path) -> None:
    """If no socket fits into the state folder it stands in a short one that no other user can enter, and goes again."""
    running = start(home / ("long" * 25) / "postgres", "pw")
    assert running.socket.name.startswith(SHORT)
    assert stat.S_IMODE(running.socket.stat().st_mode) == 0o700
    assert ask(running, "pw", "SELECT 1") == 1
    end_left_over(home / ("long" * 25) / "postgres")
    assert not running.socket.exists()


@pytest.mark.skipif(not ATTACKER, reason="only root can become another user, who needs /usr/bin/python3")
def test_another_user_reaches_neither_socket_nor_data(home: Path) -> None:
    """`nobody` cannot connect, and cannot list or enter the state folder, though PostgreSQL's own user passes it."""
    running = start(home / "postgres", "pw")
    socket = str(running.socket / embedded.SOCKET)
    for attack in (
        f"import os; os.listdir({str(home)!r})",
        f"import socket; socket.socket(socket.AF_UNIX).connect({socket!r})",
        f"open({str(home / 'postgres' / 'PG_VERSION')!r})",
    ):
        done = subprocess.run(
            ["/usr/bin/python3", "-c", attack],
            user="nobody",
            group="nogroup",
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert "PermissionError" in done.stderr
    assert stat.S_IMODE(home.stat().st_mode) & 0o067 == 0


def test_a_stale_postmaster_file_is_forgotten(tmp_path: Path) -> None:
    """A postmaster.pid that names a process that is no PostgreSQL of the folder does not stop the start."""
    file = tmp_path / "postmaster.pid"
    for content in (f"{os.getpid()}\n", "no number\n", ""):
        file.write_text(content)
        end_left_over(tmp_path)
        assert not file.exists()


def test_a_socket_whose_server_is_gone_bars_no_start(home: Path) -> None:
    """After a crash its lock names a process that by now may be another one, or one that nobody has buried yet."""
    folder = home / "postgres"
    stop(start(folder, "secret"))
    owner = folder.stat()
    with subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid) as other:
        for left in (folder / SOCKET, folder / f"{SOCKET}.lock"):
            left.write_text(f"{other.pid}\n{folder}\n0\n5432\n{folder}\n")
            os.chown(left, owner.st_uid, owner.st_gid)
        try:
            assert ask(start(folder, "secret"), "secret", "SELECT 1") == 1
        finally:
            other.kill()


def test_a_failed_start_says_what_the_program_said(home: Path) -> None:
    """Data that PostgreSQL refuses is an error with its folder and PostgreSQL's own words."""
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("9.6\n")
    (home / "postgres" / "pg_hba.conf").write_text("")
    with pytest.raises(embedded.StateError, match="postgres failed"):
        start(home / "postgres", "pw")
