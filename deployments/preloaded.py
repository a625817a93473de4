"""Start flow runs as forks of a process that has imported everything: a tenth of a second instead of several.

Prefect's runner starts each flow run as `python -m prefect.engine` through the function `run_process` of one of its
modules, which it names as the place to put another. The one here asks the zygote (`deployments.zygote`) for a child
with the same environment and folder, and gives Prefect its number and its exit code; so cancellation, crashes and
logs go the same way as before.

A run always sees the code as it is on disk: where a file has changed since the zygote imported it, a new zygote is
started, and the runs that come before it is ready are plain processes. So are all runs where the zygote cannot work;
the log says why. A changed library needs a new start of the runner.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("deployments", "flows", "regrow", "tasks")
COMMAND = (sys.executable, "-m", "deployments.zygote")
ENGINE = [sys.executable, "-m", "prefect.engine"]
PATIENCE = 60.0
"""Seconds that the runner waits for its first zygote before it takes runs without it."""
READY, BROKEN = "ready", "the flows cannot be imported (the error stands above in this log)"
SLOWER = "%s: flow runs start as new processes, which takes some seconds longer each"
RunProcess = Callable[..., Awaitable[Any]]
logger = logging.getLogger("regrow.deployments")


class ZygoteLostError(Exception):
    """The zygote has died."""


class Child:
    """A flow run's process, as far as Prefect wants to know it."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._reader, self._writer = reader, writer

    async def wait(self) -> None:
        """Wait for the process to end; kill it where its zygote has died or the waiting is given up."""
        try:
            line = await self._reader.readline()
            self.returncode = int(line) if line else None
        finally:
            if self.returncode is None:
                self.returncode = -signal.SIGKILL
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            self._writer.close()


class Zygote:
    """A running zygote, and the state of the code that it imports."""

    def __init__(self, command: tuple[str, ...], code: dict[Path, int]) -> None:
        self.code = code
        self.answer: str | None = None
        """`ready`, or why it cannot be used; None while it imports."""
        self._control, theirs = socket.socketpair()
        self._control.setblocking(False)
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(
                [*command, str(descriptor)], pass_fds=[descriptor], stdin=subprocess.DEVNULL
            )

    def is_ready(self) -> bool:
        """Say whether everything is imported; log, once, why it never will be."""
        if self.answer is None:
            with suppress(BlockingIOError):
                self.answer = self._control.recv(4096).decode() or BROKEN
                if self.answer != READY:
                    logger.warning(SLOWER, self.answer)
        return self.answer == READY

    def has_ended(self) -> bool:
        """Say whether the process is gone."""
        return self._process.poll() is not None

    async def fork(self, request: bytes) -> Child:
        """Start a child that takes on *request*; raises `ZygoteLostError`."""
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            with theirs:
                socket.send_fds(self._control, [b"+"], [theirs.fileno()])
            writer.write(request + b"\n")
            return Child(int(await reader.readline()), reader, writer)
        except (OSError, ValueError) as error:
            writer.close()
            raise ZygoteLostError(f"the zygote has died ({error})") from error

    def retire(self) -> None:
        """Let it end once its children have."""
        self._control.close()


class Starter:
    """Forks a child of the zygote for each flow run; starts a plain process where that cannot be."""

    def __init__(self, plain: RunProcess, command: tuple[str, ...] = COMMAND) -> None:
        self._plain, self._command = plain, command
        self._zygote = Zygote(command, read_code_state())
        self._retired: list[Zygote] = []

    def wait(self, patience: float = PATIENCE) -> bool:
        """Wait until the zygote is ready, has failed, or *patience* seconds have passed; say if it is ready."""
        deadline = time.monotonic() + patience
        while not self._zygote.is_ready() and self._zygote.answer is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return self._zygote.is_ready()

    async def run_process(
        self,
        command: list[str],
        *,
        task_status: Any,
        task_status_handler: Callable[[Any], Any],
        env: dict[str, str],
        cwd: Path | str | None = None,
        **others: Any,
    ) -> Any:
        """Stand in for Prefect's function of this name: tell it the process, then wait for its end."""
        child = await self._fork(env, cwd) if command == ENGINE else None
        if child is None:
            told = {"task_status": task_status, "task_status_handler": task_status_handler}
            return await self._plain(command, env=env, cwd=cwd, **told, **others)
        task_status.started(task_status_handler(child))
        await child.wait()
        return child

    async def _fork(self, env: dict[str, str], cwd: Path | str | None) -> Child | None:
        """Start a child of a zygote with today's code; None where there is none."""
        request = json.dumps({"environment": env, "folder": str(cwd or Path.cwd())}).encode()
        zygote = self._current()
        try:
            return await zygote.fork(request) if zygote.is_ready() else None
        except ZygoteLostError as error:
            logger.warning(SLOWER, error)
            return None

    def _current(self) -> Zygote:
        """Give the zygote with today's code; start one where the code has changed, or it has died."""
        code, present = read_code_state(), self._zygote
        if present.code != code or (present.is_ready() and present.has_ended()):
            present.retire()
            self._retired = [each for each in [*self._retired, present] if not each.has_ended()]
            self._zygote = Zygote(self._command, code)
        return self._zygote

    def retire(self) -> None:
        """Start no further run; the zygote ends with its last one."""
        self._zygote.retire()


def read_code_state() -> dict[Path, int]:
    """Give the time of the last change of each file of the code."""
    state = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            with suppress(FileNotFoundError):  # an editor is replacing it
                state[file] = file.stat().st_mtime_ns
    return state


def install(command: tuple[str, ...] = COMMAND) -> Starter | None:
    """Let Prefect's runner in this process start its flow runs as forks; None, logged, where it cannot."""
    if sys.platform != "linux":
        logger.warning(SLOWER, "a fork of a process with native libraries is safe on Linux only")
        return None
    engine: Any = import_module("prefect.runner._starter_engine")
    starter = Starter(engine.run_process, command)
    engine.run_process = starter.run_process
    return starter
