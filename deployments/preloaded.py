"""A process that has imported all that flow runs need, and forks for each of them.

Prefect's process worker starts a flow run by the command that its deployment names: `deployments/start_run.py`.
That command connects to this process and hands over its environment, folder and output; the fork takes them over and
runs `prefect.engine`, as `python -m prefect.engine` would, but without the seconds of imports.

The first one is itself a fork of the runner, which imports the same: they share their memory, and the imports are done
once. If it is killed, the next one is a process of its own.

A run always sees the code as it is on disk. If a file has changed since it was imported, the run that asks becomes a
new process, and this process replaces itself by one with the new code. A changed library needs a new runner.
"""

import gc
import json
import logging
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("deployments", "flows", "regrow", "tasks")
COMMAND = (sys.executable, "-m", "deployments.preloaded")
ADDRESS = "REGROW_PRELOADED"
"""The variable that tells `deployments/start_run.py` the socket."""
PATIENCE = 60.0
"""Seconds that the runner waits for the imports before it takes runs without them."""
MODULES = (
    # First, because it looks for numpy's functions in each module that is loaded: later it takes three times as long.
    "skops.io",
    *(f"flows.{name}" for name in ("train", "monitor", "retrain", "score", "rollout", "rollback", "tidy")),
    # What the steps import when they first need it, and what every flow run needs.
    "prefect.flow_engine",
    "prefect.events.worker",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "evidently.metrics",
    "great_expectations.expectations",
    "great_expectations.render.renderer.page_renderer",
    "great_expectations.render.view.view",
    "matplotlib.backends.backend_agg",
    "regrow.models.pictures",
)
logger = logging.getLogger("regrow.deployments")


@dataclass(frozen=True)
class Begun:
    """A preloaded process: the pipe that it lives as long as, and its number if it runs."""

    folder: Path
    """That of its socket; no other user may enter it."""
    reading: int
    writing: int
    pid: int | None = None

    @property
    def address(self) -> Path:
        """The socket."""
        return self.folder / "socket"


def begin(modules: tuple[str, ...] = (), command: tuple[str, ...] = COMMAND) -> Begun:
    """Import *modules* and fork the preloaded process off this one, which has no other thread yet.

    In that process, which becomes *command* when code has changed, and in each run that it forks this ends with
    `SystemExit`. Without *modules*, or if an import has started a thread, none is forked: `running` starts another one.
    """
    begun = Begun(Path(tempfile.mkdtemp(prefix="regrow-")), *os.pipe())
    if not modules:
        return begun
    code = read_code_state()
    if not _import(modules):
        return begun
    if pid := os.fork():
        return replace(begun, pid=pid)
    os.close(begun.writing)
    os.dup2(begun.reading, sys.stdin.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the runner too, whose end ends this process
    answer_runs(begun.address, code, [*command, str(begun.address)])
    sys.exit()


@contextmanager
def running(command: tuple[str, ...] = COMMAND, begun: Begun | None = None) -> Iterator[Callable[[], bool]]:
    """Keep the preloaded process that has *begun*, or a new one, running meanwhile.

    What is yielded waits until it is ready, and returns whether it is.
    """
    begun = begun or begin()
    keeper = threading.Thread(target=_keep_running, args=(command, begun), daemon=True)
    keeper.start()
    os.environ[ADDRESS] = str(begun.address)
    try:
        yield partial(_wait, keeper, begun.address)
    finally:
        del os.environ[ADDRESS]
        os.close(begun.writing)  # the process ends when its standard input does: also if this one is killed
        keeper.join()
        os.close(begun.reading)
        shutil.rmtree(begun.folder, ignore_errors=True)


def _keep_running(command: tuple[str, ...], begun: Begun) -> None:
    """Wait until the preloaded process ends by itself; start another if it is killed."""
    ended = None if begun.pid is None else os.waitstatus_to_exitcode(os.waitpid(begun.pid, 0)[1])
    while ended is None or ended < 0:
        if ended is not None:
            logger.warning("the preloaded process was killed and is started again")
            begun.address.unlink(missing_ok=True)
        ended = subprocess.run([*command, str(begun.address)], stdin=begun.reading, check=False).returncode


def _wait(keeper: threading.Thread, address: Path) -> bool:
    """Return whether the preloaded process listens at *address* within `PATIENCE`; log it if it does not."""
    deadline = time.monotonic() + PATIENCE
    while not address.exists() and keeper.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    if not address.exists():
        logger.warning("flow runs start as new processes, some seconds slower each: nothing is preloaded")
    return address.exists()


def main(modules: tuple[str, ...] = MODULES) -> None:
    """Import *modules*, fork for each run that asks; in a fork, be that run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the runner too, whose end ends this process
    code = read_code_state()
    if _import(modules):
        answer_runs(Path(sys.argv[-1]), code, sys.orig_argv)
    else:
        sys.exit(1)


def _import(modules: tuple[str, ...]) -> bool:
    """Import *modules*; return whether this process may be forked, and say on standard error why not."""
    if sys.platform != "linux":
        sys.stderr.write("a fork of a process with native libraries is safe on Linux only\n")
        return False
    for name in modules:
        import_module(name)
    read_file_lists()
    if threads := [each.name for each in threading.enumerate() if each is not threading.main_thread()]:
        sys.stderr.write(f"an import has started threads that a fork would lose: {', '.join(threads)}\n")
        return False
    gc.freeze()  # the collector of a fork would walk, and so copy, all that they share
    return True


def answer_runs(address: Path, code: dict[Path, int], command: list[str]) -> None:
    """Fork for each run that asks at *address*; in a fork, be that run. When *code* has changed, become *command*."""
    if run := serve(address, code, command):
        become(run)
        execute(run)


def read_file_lists() -> None:
    """Read the file lists of all installed packages, which MLflow and we keep: each fork that stores a model would."""
    from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

    from regrow.base.provenance import distributions_by_package

    distributions_by_package()
    warn_dependency_requirement_mismatches(["mlflow"])


def read_code_state() -> dict[Path, int]:
    """Return the time of the last change of each file of the code."""
    state = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            with suppress(FileNotFoundError):  # an editor is replacing it
                state[file] = file.stat().st_mtime_ns
    return state


def serve(address: Path, code: dict[Path, int], command: list[str]) -> socket.socket | None:
    """Fork for each connection: return it in the fork; return None when the runner is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets ended forks by itself
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return None
            run, _ = listener.accept()
            if read_code_state() != code:
                run.close()
                address.unlink()
                os.execv(sys.executable, command)  # noqa: S606
            if os.fork() == 0:
                return run
            run.close()


def become(run: socket.socket) -> None:
    """Take over environment, folder and output of the command at the other end of *run*, and end if it is killed."""
    _, outputs, _, _ = socket.recv_fds(run, 1, 2)
    for descriptor, given in enumerate([os.open(os.devnull, os.O_RDONLY), *outputs]):
        os.dup2(given, descriptor)
        os.close(given)
    with run.makefile("rb") as stream:
        request = json.loads(stream.readline())
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run.sendall(b"%d\n" % os.getpid())
    threading.Thread(target=_end_with, args=(run,), daemon=True).start()


def _end_with(run: socket.socket) -> None:
    """Kill this process when the other end of *run* is closed."""
    run.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def execute(run: socket.socket) -> None:
    """Do what `python -m prefect.engine` does, and send the exit code over *run*."""
    import numpy as np
    from prefect.context import refresh_global_settings_context
    from prefect.logging.configuration import setup_logging

    np.random.seed()  # the forks would all draw the same numbers from the generator that they inherit
    refresh_global_settings_context()  # Prefect read the environment when it was imported
    setup_logging()  # Prefect's own start does both; the exit codes and logs of real runs are tested.
    sys.argv, code = ["prefect.engine"], 1
    warnings.filterwarnings(
        "ignore", message="'prefect.engine' found in sys.modules", category=RuntimeWarning
    )
    try:
        runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
        raise
    finally:
        run.sendall(b"%d\n" % code)


if __name__ == "__main__":
    main()
