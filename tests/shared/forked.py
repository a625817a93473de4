"""Programs as forks of a process that has made their imports: one starts in a second, and not in ten.

A fork has an environment, arguments, output and a process number of its own. What a program does before and while it
imports is not tried so: for that, start it as a user does.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path

PRELOADED = [
    "skops.io",
    "sklearn.ensemble",
    "mlflow.sklearn",
    "regrow.serving.processes",
    "regrow.serving.http.app",
    "regrow.serving.following.follower",
]


@dataclass(frozen=True)
class Forked:
    """A program that runs; its methods are those of `subprocess.Popen` that the tests use."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        """Its process number."""
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout or 0)
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def start(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
    """Run `main` of *module* as a program with *arguments*, whose output is appended to *log*."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = threads or "1"  # Read while a library is loaded, as by `regrow.serving`.
    try:
        ensure_running()
    finally:
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
    process = context.Process(
        target=_run, args=(module, list(arguments), dict(environment), str(log), str(Path.cwd())), name=module
    )
    process.start()
    return Forked(process)


def _run(module: str, arguments: list[str], environment: dict[str, str], log: str, folder: str) -> None:
    """Be the program."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # The process that forks ignores it.
    sys.argv = [module, *arguments]
    import_module(module).main()
