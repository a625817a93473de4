"""The process that flushes the journals of a state folder: `python -m regrow.serving.log.flusher LOCK STARTER`.

There is one a folder. It is none of the workers, because what it does would hold up every request there. It holds the
lock on `flusher.lock`, whose handle the worker that starts it hands on (see `flusher_process.py`), and notes there what
it has done. It ends by itself after a round that found no living writer, or its starter dead, and if its folder goes
away: so it outlives no server, and holds no terminal of one that is gone. Other workers start another one.
"""

import logging.config
import os
import signal
import sys
import time
from pathlib import Path

from regrow.base.settings import load_settings
from regrow.serving.log.flush import Flusher
from regrow.serving.log.notes import read_note, write_note
from regrow.serving.server_log import log_configuration

LOCK_FILE = "flusher.lock"
INTERVAL = 1.0
"""Seconds between two rounds if nothing calls for one."""
NICENESS = 5
"""Requests come first: what is flushed a moment later is not late."""
LOOK = 0.1
"""Seconds between two looks whether something does."""


def run(folder: Path, lock: int, starter: int) -> None:
    """Flush the journals in *folder* until *lock* is its lock no more, no writer lives, or *starter* has ended."""
    flusher = Flusher(folder, read_note(folder / LOCK_FILE).get("rows", 0))
    while _holds(folder, lock):
        seen, begun = _calls(folder), time.monotonic()
        flusher.attempt()
        done = {"rows": flusher.rows, "error": flusher.error, "last": flusher.last, "begun": begun}
        write_note(lock, done)
        if not flusher.living or seen[0] != starter:
            return
        while time.monotonic() < begun + INTERVAL and _calls(folder) == seen:
            time.sleep(LOOK)


def call(folder: Path) -> None:
    """Let the flusher of *folder* begin its next round now, because a segment was closed."""
    os.utime(folder)


def _calls(folder: Path) -> tuple[int, int]:
    """Return what changes if the worker that started this process ends, and if any worker calls."""
    try:
        return os.getppid(), folder.stat().st_mtime_ns
    except FileNotFoundError:
        return os.getppid(), 0


def _holds(folder: Path, lock: int) -> bool:
    """Return whether the open file *lock* is still the one that stands in *folder*."""
    try:
        return os.path.samestat(os.fstat(lock), (folder / LOCK_FILE).stat())
    except FileNotFoundError:
        return False


def main() -> None:
    """Flush with the lock whose handle the command line names, for the process whose number stands behind it.

    A signal that is meant for the whole group of the model server does not end it before its writers.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    settings = load_settings()
    logging.config.dictConfig(log_configuration(settings.log_format))
    run(settings.journal, *map(int, sys.argv[1:]))


if __name__ == "__main__":
    main()
