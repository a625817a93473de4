"""Run the train flow in processes of its own, some of which are killed at a chosen point.

Reads one JSON list a line, `[config, as_of, point]`, runs the flow in a child that is forked from this process (so
that nothing is imported twice), and answers with the child's exit status on a line of its own.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import great_expectations  # noqa: F401
import skops.io  # noqa: F401
from mlflow import MlflowClient

import regrow.snapshots
from flows.train import train
from regrow import provenance, registry


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_before(owner: Any, name: str, when: Callable[..., bool] = lambda *_: True) -> Callable[[], None]:
    """Patch *owner* so that the process dies instead of calling *name*."""

    def patch() -> None:
        original = getattr(owner, name)

        def killed(*args: Any, **kwargs: Any) -> Any:
            if when(*args):
                die()
            return original(*args, **kwargs)

        setattr(owner, name, killed)

    return patch


def die_after(owner: Any, name: str, when: Callable[..., bool] = lambda *_: True) -> Callable[[], None]:
    """Patch *owner* so that the process dies once *name* is done."""

    def patch() -> None:
        original = getattr(owner, name)

        def killed(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if when(*args):
                die()
            return result

        setattr(owner, name, killed)

    return patch


POINTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "ingest: written, not renamed": die_before(regrow.snapshots, "_digest"),
    "fit: uploaded, not finished": die_before(MlflowClient, "finalize_logged_model"),
    "fit: finished, not returned": die_after(MlflowClient, "finalize_logged_model"),
    "register: version made, not returned": die_after(MlflowClient, "create_model_version"),
    "deploy: intended, not moved": die_before(MlflowClient, "set_registered_model_alias"),
    "deploy: moved, not done": die_after(MlflowClient, "set_registered_model_alias"),
    "deploy: done, not tagged": die_after(registry, "promote"),
}


def run(config: str, as_of: str, point: str) -> int:
    """Run the flow in a child that dies at *point*; give the child's status, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            POINTS[point]()
            train(Path(config), datetime.fromisoformat(as_of))
        except BaseException:  # noqa: BLE001  (the child reports whatever happened)
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    provenance.code_digest()  # Once for all children: a file that is edited meanwhile would make another recipe.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(f"{run(*json.loads(line))}\n")
        answers.flush()
