"""A process that has imported all that flow runs need, and forks for each of them.

Prefect's process worker starts a flow run by the command that its deployment names: `deployments/start_run.py`.
That command connects to the socket on which the runner listens, and hands over its environment, folder and output. The
process that was preloaded takes the connection, and its fork takes these over and runs `prefect.engine`, as
`python -m prefect.engine` would, but without the seconds of imports.

The runner starts the process when a command connects, as systemd starts a service by its socket. It ends when nothing
has connected for `IDLE` seconds, so that a machine at rest does not hold all that was imported; the next run waits for
the imports. If it is killed, the next connection starts another one.

A run always sees the code as it is on disk: if a file has changed since it was imported, the process ends, and the one
that follows takes the connection. A changed library needs a new runner.
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
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("deployments", "flows", "regrow", "tasks")
COMMAND = (sys.executable, "-m", "deployments.preloaded")
AS_FORK = (sys.executable, "-S", str(Path(__file__).with_name("start_run.py")))
"""The command that runs what it is given as a fork."""
ADDRESS = "REGROW_PRELOADED"
"""The variable that tells `deployments/start_run.py` the socket."""
IDLE = 900.0
"""Seconds without a run after which the process ends. Looks at a rollout, each ten minutes, keep it."""
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


@contextmanager
def running(command: tuple[str, ...] = COMMAND) -> Iterator[None]:
    """Listen for the commands of flow runs meanwhile, and start the process *command* that takes them if none runs."""
    folder = Path(tempfile.mkdtemp(prefix="regrow-"))  # no other user may enter it
    address = folder / "socket"
    # The process ends when its standard input does: also if this one is killed.
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        listener.setblocking(False)
        keeper = threading.Thread(target=_start_when_asked, args=(command, listener, reading), daemon=True)
        keeper.start()
        os.environ[ADDRESS] = str(address)
        try:
            yield
        finally:
            del os.environ[ADDRESS]
            os.close(writing)
            keeper.join()
            os.close(reading)
            shutil.rmtree(folder, ignore_errors=True)


def _start_when_asked(command: tuple[str, ...], listener: socket.socket, living: int) -> None:
    """Run *command* with *listener* whenever a connection waits there, until the pipe *living* ends."""
    handed = [*command, str(listener.fileno())]
    while living not in select.select([listener, living], [], [])[0]:
        ended = subprocess.run(handed, stdin=living, pass_fds=[listener.fileno()], check=False).returncode
        if ended < 0:
            logger.warning("the preloaded process was killed")
        elif ended:
            logger.warning("flow runs start as new processes, some seconds slower each: nothing is preloaded")
            _refuse(listener)


def _refuse(listener: socket.socket) -> None:
    """Close the connections that wait at *listener*: whoever made them goes on alone."""
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()


def main(modules: tuple[str, ...] = MODULES, idle: float = IDLE) -> None:
    """Import *modules*, fork for each run that asks; in a fork, be that run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the runner too, whose end ends this process
    if sys.platform != "linux":
        sys.exit("a fork of a process with native libraries is safe on Linux only")
    code = read_code_state()
    for name in modules:
        import_module(name)
    read_file_lists()
    if threads := [each.name for each in threading.enumerate() if each is not threading.main_thread()]:
        sys.exit(f"an import has started threads that a fork would lose: {', '.join(threads)}")
    gc.freeze()  # the collector of a fork would walk, and so copy, all that they share
    with socket.socket(fileno=int(sys.argv[-1])) as listener:
        run = serve(listener, code, idle)
    if run:
        execute(run, become(run))


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


def serve(listener: socket.socket, code: dict[Path, int], idle: float) -> socket.socket | None:
    """Fork for each connection, and return it in the fork.

    Returns None once the runner is gone, *code* has changed, or nothing has connected for *idle* seconds.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets ended forks by itself
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [], idle)
        if listener not in ready or sys.stdin in ready or read_code_state() != code:
            return None
        run, _ = listener.accept()
        if os.fork() == 0:
            return run
        run.close()


def become(run: socket.socket) -> str:
    """Take over environment, folder and output of the command at the other end of *run*, and end if it is killed.

    Returns the module that it asks for.
    """
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
    return request["module"]


def _end_with(run: socket.socket) -> None:
    """Kill this process when the other end of *run* is closed."""
    run.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def execute(run: socket.socket, module: str) -> None:
    """Do what `python -m MODULE` does, and send the exit code over *run*."""
    import numpy as np
    from prefect.context import refresh_global_settings_context
    from prefect.logging.configuration import setup_logging

    np.random.seed()  # the forks would all draw the same numbers from the generator that they inherit
    refresh_global_settings_context()  # Prefect read the environment when it was imported
    setup_logging()  # Prefect's own start does both; the exit codes and logs of real runs are tested.
    sys.argv, code = [module], 1
    warnings.filterwarnings("ignore", message=f"'{module}' found in sys.modules", category=RuntimeWarning)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
        raise
    finally:
        run.sendall(b"%d\n" % code)


if __name__ == "__main__":
    main()
