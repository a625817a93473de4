"""A process that has imported all that flow runs need, and forks itself for each: `python -m deployments.zygote FD`.

*FD* is its end of a socket to the runner. On it the zygote says once that it is ready, or why not, and then receives
one socket for each run. It forks, writes the child's number to the run's socket and, when the child has ended, its
exit code. The child reads its environment and working directory from the same socket and becomes
`python -m prefect.engine`. Once the runner hangs up, the zygote waits for its children and ends.

Only the thread that forks lives on in the child, and a lock that another one held stays locked for ever. So the
zygote starts no thread and opens no connection, and refuses to work where an import has done so.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import warnings
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import flows
from regrow.settings import apply_environment, load_settings

LIBRARIES = (
    "prefect.flow_engine",
    "prefect.events.worker",
    "skops.io",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "evidently.metrics",
    "great_expectations.expectations",
    "great_expectations.render.renderer.page_renderer",
    "great_expectations.render.view.view",
    "matplotlib.backends.backend_agg",
)
"""What the steps import when they first need it, and what every flow run needs."""
FORK_AWARE = frozenset({"jemalloc_bg_thd"})
"""Threads of native libraries that stop for a fork and start again after it by themselves."""


def main() -> None:
    """Import, report, fork on demand; in a child, run the engine."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # what is meant for all ends it by the runner's hanging up
    preload()
    if threads := foreign_threads():
        control.sendall(f"an import has started threads that a fork would lose ({threads})".encode())
        return
    control.sendall(b"ready")
    if run := serve(control):
        become(run)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # runpy: prefect.engine is imported already
            runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


def preload() -> None:
    """Import the flows, all that they import, and what their steps import late."""
    apply_environment(load_settings())
    for name in LIBRARIES:
        import_module(name)
    for found in iter_modules(flows.__path__):
        import_module(f"flows.{found.name}")
    gc.freeze()  # the children's collector would walk, and so copy, all that they share


def foreign_threads() -> str:
    """Name the threads, besides the main one, that a fork would lose."""
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(
        pid, 0
    )  # OpenBLAS has stopped its threads for this fork, and starts them when it next needs them
    python = [each.name for each in threading.enumerate() if each is not threading.main_thread()]
    tasks = [task for task in Path("/proc/self/task").iterdir() if int(task.name) != os.getpid()]
    native = {(task / "comm").read_text().strip() for task in tasks} - FORK_AWARE
    return ", ".join(sorted({*python, *native}))


def serve(control: socket.socket) -> socket.socket | None:
    """Fork for each run until the runner hangs up and all children have ended; give a child its run's socket."""
    runs: dict[int, socket.socket] = {}
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    listening = True
    while listening or runs:
        ready, _, _ = select.select([woken, control] if listening else [woken], [], [])
        if woken in ready:
            woken.recv(4096)
            report_ended(runs)
        if control in ready:
            received, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            listening = bool(received)
            if descriptors:
                run = socket.socket(fileno=descriptors[0])
                if (pid := os.fork()) == 0:
                    forget(control, woken, waker, *runs.values())
                    return run
                runs[pid] = run
                tell(run, pid)
    return None


def report_ended(runs: dict[int, socket.socket]) -> None:
    """Write the exit code of each child that has ended to its run's socket, as `subprocess` gives it."""
    for pid in list(runs):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with runs.pop(pid) as run:
                tell(run, os.waitstatus_to_exitcode(status))


def tell(run: socket.socket, number: int) -> None:
    """Write *number* to the runner, unless it is gone: the child goes on without it, as a plain process would."""
    try:
        run.sendall(b"%d\n" % number)
    except OSError:
        return


def forget(*sockets: socket.socket) -> None:
    """Undo in a child what belongs to the zygote."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in sockets:
        each.close()


def become(run: socket.socket) -> None:
    """Take the environment and working directory of *run*, and what Prefect reads from them when it is imported."""
    with run, run.makefile("rb") as stream:
        request = json.loads(stream.readline())
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["prefect.engine"]
    import numpy as np
    import prefect.context
    from prefect.logging.configuration import setup_logging

    np.random.seed()  # the children would all draw the same numbers from the generator that they inherit
    prefect.context.refresh_global_settings_context()
    setup_logging()


if __name__ == "__main__":
    main()
