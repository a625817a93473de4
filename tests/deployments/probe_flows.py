"""Flows that say what process they run in, for the tests of the runner."""

import os
import time
from pathlib import Path

import numpy as np
from prefect import flow, get_run_logger


@flow
def look(mark: str = "") -> dict[str, object]:
    """Log *mark*, give what the process is and holds, and leave a trace in it."""
    get_run_logger().info("the mark is %s", mark)
    held = {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "folder": str(Path.cwd()),
        "trace": os.environ.get("PROBE_TRACE"),
        "run": os.environ["PREFECT__FLOW_RUN_ID"],
        "draw": float(np.random.random()),
    }
    os.environ["PROBE_TRACE"] = mark
    os.chdir("/")
    return held


@flow
def linger(seconds: float = 120.0) -> None:
    """Do nothing for *seconds*."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.1)
