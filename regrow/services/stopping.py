"""Stop what runs on a state folder, from another process: `regrow down`."""

import os
import signal
import time
from pathlib import Path

from regrow.base.errors import StateError
from regrow.base.settings import Settings
from regrow.services.commands import IN_STOP_ORDER, Service
from regrow.services.ownership import held, holder, stop_survivors

DOWN_TIMEOUT = 120.0
"""Seconds that all parts have to stop; the model server alone may take 45."""


def stop_running(settings: Settings) -> list[str]:
    """Stop each `regrow up` that runs parts on the state folder, and what a killed one left; return their names."""
    home = settings.home.absolute()
    if not home.is_dir():
        return []
    stopped: list[str] = []
    deadline = time.monotonic() + DOWN_TIMEOUT
    told: set[int] = set()
    for service in IN_STOP_ORDER:
        stopped += _stop_one(home, service, told, deadline)
    return [*(["regrow up"] if told else []), *stopped]


def _stop_one(home: Path, service: Service, told: set[int], deadline: float) -> list[str]:
    """Stop the `regrow up` that runs *service*, unless it is among those *told*; return what was left of it."""
    while True:
        try:
            with held(home, [service]):
                return stop_survivors(home, [service])
        except StateError:
            pid = holder(home, service)
        if pid is not None and pid not in told:
            os.kill(pid, signal.SIGTERM)
            told.add(pid)
        if time.monotonic() > deadline:
            raise StateError(
                f"{home}: `regrow up` (pid {pid}) does not stop; kill -9 {pid}, then `regrow down`"
            )
        time.sleep(0.2)
