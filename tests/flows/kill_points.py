"""Run flows in processes of their own, some of which are killed at a chosen point or before a chosen MLflow write.

Reads one JSON list a line, `[flow, config, as_of, point]`, runs the flow in a child that is forked from this process
(so that nothing is imported twice), and answers with the child's exit status and the number of its MLflow writes on
a line of its own. A *point* is a name in `POINTS` or the number of the write before which the process dies, from 1.
"""

import json
import multiprocessing
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

import regrow.data.snapshots
from flows.retrain import retrain
from flows.rollback import rollback
from flows.rollout import rollout
from flows.train import train
from regrow import registry
from regrow.base import provenance

FLOWS: dict[str, Callable[..., Any]] = {
    "train": train,
    "retrain": lambda config, as_of: retrain(config, as_of, "alarm", "it drifted"),
    "rollout": rollout,
    "rollback": lambda config, as_of: rollback(config, "by order", as_of=as_of),
}
WRITES = (
    "create_run", "delete_run", "delete_tag", "delete_registered_model_alias", "log_artifact", "log_batch",
    "log_inputs", "log_param", "log_text", "set_model_version_tag", "set_registered_model_alias",
    "set_registered_model_tag", "set_tag", "set_terminated", "update_run",
)  # fmt: skip
written = multiprocessing.Value("i", 0)
"""How many MLflow writes the last child began."""


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


def calls(number: int) -> Callable[..., bool]:
    """Return a condition that holds at call *number* of what is patched, from 1."""
    counted = iter(range(1, 1_000))
    return lambda *_: next(counted) == number


POINTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "ingest: written, not renamed": die_before(regrow.data.snapshots, "_digest"),
    "fit: uploaded, not finished": die_before(MlflowClient, "finalize_logged_model"),
    "fit: finished, not returned": die_after(MlflowClient, "finalize_logged_model"),
    "refit: uploaded, not finished": die_before(MlflowClient, "finalize_logged_model", calls(2)),
    "refit: finished, not returned": die_after(MlflowClient, "finalize_logged_model", calls(2)),
    "register: version made, not returned": die_after(MlflowClient, "create_model_version"),
    "deploy: about to move": die_before(MlflowClient, "log_param"),
    "deploy: moved, alias not written": die_before(MlflowClient, "set_registered_model_alias"),
    "deploy: alias written, not reconciled": die_after(MlflowClient, "set_registered_model_alias"),
    "deploy: done, not tagged": die_after(registry, "promote"),
}


def count_writes(at: int | None) -> None:
    """Count the MLflow writes of this process, and let it die before write number *at*."""
    written.value = 0

    def count(original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **kwargs: Any) -> Any:
            written.value += 1
            if written.value == at:
                die()
            return original(*args, **kwargs)

        return write

    for name in WRITES:
        setattr(MlflowClient, name, count(getattr(MlflowClient, name)))


def run(flow: str, config: str, as_of: str, point: str | int) -> int:
    """Run *flow* in a child that dies at *point*; give the child's status, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            count_writes(point if isinstance(point, int) else None)
            if isinstance(point, str):
                POINTS[point]()
            FLOWS[flow](Path(config), as_of=datetime.fromisoformat(as_of))
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
        answers.write(f"{run(*json.loads(line))} {written.value}\n")
        answers.flush()
