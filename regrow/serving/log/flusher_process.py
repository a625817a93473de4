"""The flusher as a worker of the model server sees it: started if none runs, and what it notes.

Whoever gets the lock on `flusher.lock` starts it and hands the lock on, so that there is never more than one, and the
next worker that looks gets the lock once it has died, however it died.
"""

import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from regrow.data.files import try_lock
from regrow.serving.log.flusher import LOCK_FILE, call
from regrow.serving.log.notes import read_note, write_note

LOG = logging.getLogger("regrow.serving")
SILENT_SECONDS = 300.0
"""A flusher that lives, and has ended no round for so long, is not well; a large table takes minutes to compact."""
LONGEST_PAUSE = 30.0
"""Seconds between two starts, once several have failed."""
NEVER = float("inf")
COMMAND = (sys.executable, "-m", "regrow.serving.log.flusher")


class FlusherProcess:
    """The flusher of the journals under *folder*."""

    def __init__(self, folder: Path) -> None:
        self.note: dict[str, Any] = {}
        """What it has noted last, or the one before it: `flusher.py` says what."""
        self.problem: str | None = None
        """Why nothing is flushed, if no flusher runs or it has long been silent."""
        self._file = folder / LOCK_FILE
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = "it was not started"
        """How the last one that this process started has ended."""
        self._heard = time.monotonic()
        self._starts = 0
        """Starts by this process since a flusher was heard of last."""
        self._tried = -float("inf")

    def call(self) -> None:
        """Let the flusher look at the journals now; the folder may have gone away."""
        with suppress(OSError):
            call(self._file.parent)

    def look(self, pause: float = 0.0) -> None:
        """Read what the flusher notes; start one if none runs, if the last start is *pause* seconds ago (or `NEVER`).

        After starts that failed the pause grows.
        """
        now = time.monotonic()
        if (note := read_note(self._file)) and note != self.note:
            self.note, self.problem, self._heard, self._starts = note, None, now, 0
        if self._child is not None and (code := self._child.poll()) is not None:
            how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
            self._child, self._ended = None, f"the last one ended: {how}"
            if code:
                LOG.warning("the process that flushes the journals has ended: %s", how)
        if pause == NEVER:  # There is nothing to hear of.
            self._heard = now
        if now - self._tried <= max(pause, min(LONGEST_PAUSE, 2.0**self._starts - 1)):
            return
        try:
            runs = not self._start()
        except OSError as error:
            self._ended, runs = str(error), False
        if runs:
            if now - self._heard > SILENT_SECONDS:
                self.problem = (
                    f"the process that flushes the journals is silent for {now - self._heard:.0f} seconds"
                )
            return
        self._tried = now
        self._starts += 1
        if self._starts > 2:
            self.problem = f"no process flushes the journals: {self._ended}; see the log of the model server"

    def end(self) -> None:
        """Kill the flusher if this process started it; nothing is lost by that."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def _start(self) -> bool:
        """Start a flusher, unless one holds the lock; return whether it was started. Raises `OSError` if it cannot."""
        handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not try_lock(handle):
                return False
            if os.fstat(handle).st_size == 0:  # Later ones need no room on the disk.
                write_note(handle, {})
            words = [*COMMAND, str(handle), str(os.getpid())]
            self._child = subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=(handle,))
        finally:
            os.close(handle)
        return True
