"""The processes of flow runs: each has a session of its own, so it outlives a runner that is killed."""

import os
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import psutil

from regrow.services.process import PATIENCE

FLOW_RUN = "PREFECT__FLOW_RUN_ID"
"""The variable by which Prefect tells a process which flow run it is."""


def living_flow_runs() -> dict[UUID, list[psutil.Process]]:
    """Return the flow runs that processes of this machine are at, as far as this user may see them."""
    found: dict[UUID, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, ValueError):
            found.setdefault(UUID(process.environ().get(FLOW_RUN, "")), []).append(process)
    return found


def end_left_flow_runs(home: Path) -> int:
    """End the processes of flow runs on the state folder *home*, whose runner is gone; return how many there were."""
    left = [
        process
        for processes in living_flow_runs().values()
        for process in processes
        if process.pid != os.getpid() and _is_of(process, home)
    ]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=PATIENCE)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return len(left)


def _is_of(process: psutil.Process, home: Path) -> bool:
    """Return whether *process* was told the state folder *home*."""
    try:
        return process.environ().get("REGROW_HOME") == str(home)
    except psutil.Error:
        return False
