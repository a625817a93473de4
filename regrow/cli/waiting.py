"""What a command waits for, told on the terminal: servers that are gone, another training; and what Ctrl-C leaves."""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from regrow.cli.log import log_path, number_of

if TYPE_CHECKING:
    from regrow.base.settings import Settings

PAUSE = 5.0
"""Seconds between two looks at the servers."""
TELL = 10.0
"""Seconds of silence after which it is told that a server is gone."""
END = 300.0
"""Seconds of silence after which the command ends."""


@contextmanager
def tell_waits(settings: "Settings") -> Iterator[None]:
    """Print on the terminal what the command waits for meanwhile, and what it leaves if Ctrl-C stops it.

    A server that does not answer for `END` seconds ends the process with exit code 1: libraries would ask on and on.
    """
    number = number_of(sys.stderr)
    terminal = sys.stderr if number is None else os.fdopen(os.dup(number), "w")
    ended, turns = threading.Event(), logging.getLogger("regrow.lineage")
    watch = threading.Thread(target=_watch, args=(settings, terminal, ended), daemon=True)
    handler = logging.StreamHandler(terminal)
    handler.setFormatter(logging.Formatter("waiting: %(message)s"))
    turns.addHandler(handler)
    watch.start()
    try:
        yield
    except KeyboardInterrupt:
        _tell(
            terminal,
            "stopped: the run ends here, and what its steps finished is kept; the same command takes it up again.",
            f"  its runs: {settings.prefect_ui_url}/runs",
            f"  log of the libraries: {log_path()}",
        )
        raise
    finally:
        ended.set()
        turns.removeHandler(handler)
        watch.join()
        if number is not None:
            terminal.close()


def _watch(settings: "Settings", terminal: TextIO, ended: threading.Event) -> None:
    """Look at the servers until the command has *ended*; end it if one of them is gone for too long."""
    from regrow.base.reach import servers_of, why_silent

    silent: dict[str, float] = {}
    told: set[str] = set()
    while not ended.wait(PAUSE):
        for name, url, variable in servers_of(settings):
            why = why_silent(url, timeout=10)
            if why is None:
                silent.pop(name, None)
                if name in told:
                    _tell(terminal, f"{name} answers again")
                    told.discard(name)
                continue
            lasted = time.monotonic() - silent.setdefault(name, time.monotonic())
            gone = f"{name} does not answer at {url} ({why})"
            if lasted >= END and not ended.is_set():
                _tell(
                    terminal,
                    f"error: {gone}, for {lasted:.0f} seconds; the run was given up. What its steps finished is kept: "
                    f"start the servers with `regrow up`, or set {variable}, and run the command again",
                )
                os._exit(1)  # The main thread may be deep in a library's retries.
            if lasted >= TELL and name not in told:
                told.add(name)
                _tell(
                    terminal,
                    f"waiting: {gone}: is `regrow up` running? This gives up after {END:.0f} seconds",
                )


def _tell(terminal: TextIO, *lines: str) -> None:
    """Write *lines* to the terminal, over a spinner that may turn there."""
    clear = "\r\x1b[2K" if terminal.isatty() else ""
    terminal.write("".join(f"{clear}{line}\n" for line in lines))
    terminal.flush()
