"""Start one flow run as a fork of the preloaded process: the command of Prefect's process worker.

It runs as a file without site-packages (`python -S deployments/start_run.py`) to start in 20 ms. It ends with the
exit code of the run and passes on the signals that ask it to stop; if it is killed, so is the run. If nothing can be
preloaded, it becomes `python -m prefect.engine`, Prefect's own command. Another module may be named instead of it.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import IO

KILLED = 137
"""The exit code of a command that was killed, as a shell and Prefect know it."""


def main(module: str = "prefect.engine") -> None:
    """Ask for a fork that runs *module*, and wait for its end; without one, become it."""
    try:
        pid, answers = ask_for_fork(os.environ["REGROW_PRELOADED"], module)
    except (KeyError, OSError, ValueError):
        sys.stderr.write(f"nothing is preloaded: {module} starts as a new process\n")
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda sent, _: stop(pid, sent))
    code = answers.readline()
    answers.read()  # until the fork has ended
    sys.exit(int(code) if code else KILLED)


def ask_for_fork(address: str, module: str) -> tuple[int, IO[bytes]]:
    """Hand over *module*, environment, folder and output; return the fork's process number, and what it will send."""
    with socket.socket(socket.AF_UNIX) as run:
        run.connect(address)
        socket.send_fds(run, [b"+"], [1, 2])
        folder = os.getcwd()  # noqa: PTH109 (pathlib costs 10 ms)
        request = {"module": module, "environment": dict(os.environ), "folder": folder}
        run.sendall(json.dumps(request).encode() + b"\n")
        answers = run.makefile("rb")
        return int(answers.readline()), answers


def stop(pid: int, number: int) -> None:
    """Send signal *number* to the fork, unless it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    main(*sys.argv[1:])
