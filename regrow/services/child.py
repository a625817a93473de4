"""One process that Regrow starts: its log, when it answers, and its end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from regrow.errors import Unreachable

PATIENCE = 5.0
"""Seconds that a process has to end by itself before it is killed."""
TAIL_LINES = 15


def answers(url: str) -> Callable[[], bool]:
    """Make a check that is true once *url* answers with a success."""

    def check() -> bool:
        try:
            return httpx.get(url, timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    return check


@dataclass(frozen=True)
class Child:
    """A started process: named, logged, and ready once *ready* says so."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready: Callable[[], bool]

    def wait_until_ready(self, deadline: float) -> None:
        """Return once the process answers; raise `Unreachable` where it ends or the *deadline* passes."""
        while not self.ready():
            self.check_alive()
            if time.monotonic() > deadline:
                raise Unreachable(f"{self.name} does not answer; the end of {self.log}:\n{tail(self.log)}")
            time.sleep(0.1)

    def check_alive(self) -> None:
        """Raise `Unreachable` with the end of the log where the process has ended."""
        if (code := self.process.poll()) is not None:
            raise Unreachable(
                f"{self.name} has stopped (exit code {code}); the end of {self.log}:\n{tail(self.log)}"
            )

    def ask_to_stop(self) -> None:
        """Tell the process to end, without waiting for it."""
        if self.process.poll() is None:
            self.process.terminate()

    def await_end(self, deadline: float) -> None:
        """Wait for the end of the process; kill what is left of it, and of all that it started, at *deadline*."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - time.monotonic()))
        kill_group(self.process.pid)
        self.process.wait()


def stop_together(children: list[Child]) -> None:
    """End *children* and all that they started: every one is told before the first is waited for."""
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + PATIENCE
    for child in children:
        child.await_end(deadline)


def start_child(
    name: str, command: list[str], environment: dict[str, str], log: Path, ready: Callable[[], bool]
) -> Child:
    """Start *command* in a session of its own, so that Ctrl-C reaches it only through `Child.stop`."""
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(name, process, log, ready)


def kill_group(pid: int) -> None:
    """Kill what is left of the process group that *pid* leads."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Give the last *lines* of *log*."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) or "(the log is empty)"


def started_at(pid: int) -> float | None:
    """Give the moment when *pid* started, or None where it does not run; the two name one process."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def stop_survivor(pid: int, started: float, number: int) -> bool:
    """End *pid* by signal *number* if it is the process that started at *started*; say if it was."""
    if started_at(pid) != started:
        return False
    process = psutil.Process(pid)
    try:
        process.send_signal(number)
        process.wait(PATIENCE)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE)
    kill_group(pid)
    return True
