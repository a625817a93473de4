"""One process that Regrow starts: its log, when it answers, and its end."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from regrow.base.errors import Unreachable
from regrow.base.provenance import runs

PATIENCE = 5.0
"""Seconds that a process has to end by itself before it is killed."""
TAIL_LINES = 15
TAIL_BYTES = 256 * 1024
"""How much of a log is read for its last lines."""
FULL = 2**20
"""A disk on which so few bytes are free is full."""
REQUEST_LINE = re.compile(r'"[A-Z]+ \S+ HTTP/[\d.]+" \d{3}')
"""How a server logs a request: such a line never says why it ended."""


@dataclass(frozen=True)
class ServiceProcess:
    """A started process with its name and its log; it answers once *ready* returns True."""

    name: str
    handle: subprocess.Popen[bytes]
    log: Path
    ready: Callable[[], bool]
    patience: float = PATIENCE
    """Seconds that it has to end by itself once it was told to."""

    def wait_until_ready(self, deadline: float) -> None:
        """Return once the process answers; raise `Unreachable` if it ends or the *deadline* passes."""
        while not self.ready():
            self.check_alive()
            if time.monotonic() > deadline:
                raise Unreachable(f"{self.name} does not answer; the end of {self.log}:\n{tail(self.log)}")
            time.sleep(0.1)

    def check_alive(self) -> None:
        """Raise `Unreachable` with the end of the log if the process has ended."""
        if (ended := self.how_it_ended()) is not None:
            raise Unreachable(ended)

    def how_it_ended(self) -> str | None:
        """Return with which code or signal the process ended, and the end of its log; None while it runs."""
        if (code := self.handle.poll()) is None:
            return None
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        return f"{self.name} has stopped ({how}); the end of {self.log}:\n{tail(self.log)}"

    def ask_to_stop(self) -> None:
        """Ask the process to end, without waiting for it."""
        if self.handle.poll() is None:
            self.handle.terminate()

    def await_end(self, deadline: float) -> None:
        """Wait for the end of the process; kill what is left of it, and of all that it started, at *deadline*."""
        with suppress(subprocess.TimeoutExpired):
            self.handle.wait(max(0.0, deadline - time.monotonic()))
        kill_group(self.handle.pid)
        self.handle.wait()


def stop_together(processes: list[ServiceProcess]) -> None:
    """End *processes* and all that they started: every one is told before the first is waited for."""
    for process in processes:
        process.ask_to_stop()
    told = time.monotonic()
    for process in processes:
        process.await_end(told + process.patience)


def start_process(
    name: str,
    command: list[str],
    environment: dict[str, str],
    log: Path,
    ready: Callable[[], bool],
    patience: float = PATIENCE,
) -> ServiceProcess:
    """Start *command* in a session of its own: Ctrl-C does not reach it, only `stop_together` does."""
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    with log.open("ab") as stream:  # Appending, so that tidying may cut the log short.
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return ServiceProcess(name, process, log, ready, patience)


def clear_group(pid: int, patience: float) -> None:
    """Let what is left of the process group of the dead *pid* end within *patience* seconds; then kill it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and _has_members(pid):
        time.sleep(0.05)
    kill_group(pid)


def _has_members(group: int) -> bool:
    """Return whether a process of *group* is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def kill_group(pid: int) -> None:
    """Kill what is left of the process group that *pid* leads."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last *lines* of *log* that say something: no empty ones, none on a request that was answered.

    If its disk is full that is said too: what a process wrote last is not in the log then.
    """
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return "(no log)"
    said = [line for line in text.splitlines() if line.strip() and not REQUEST_LINE.search(line)]
    if shutil.disk_usage(log.parent).free < FULL:
        said.append(f"(the disk of {log} is full, so its last lines may be missing: make room)")
    return "\n".join(said[-lines:]) or "(the log is empty)"


def stop_survivor(pid: int, started: str | float, number: int, patience: float = PATIENCE) -> bool:
    """End *pid* by signal *number* if it is the process that has *started* so; return whether it was.

    It is killed if it has not ended after *patience* seconds.
    """
    if not runs(pid, started):
        return False
    process = psutil.Process(pid)
    try:
        process.send_signal(number)
        process.wait(patience)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE)
    kill_group(pid)
    return True
