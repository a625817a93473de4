"""What each flow of each model came to: a small file a flow in the state folder, which the model server shows.

Prometheus asks a server that runs all the time, and a flow is over in seconds. So a flow leaves its figures in
`STATE/figures/MODEL~FLOW.json`, and `/metrics` of the model server on the same state folder shows them.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from regrow.data.files import locked_file, state_errors, write_whole

FOLDER, SUFFIX = "figures", ".json"
PATIENCE = 1.0
"""Seconds that a flow waits for another one that writes the same file; then it writes all the same."""
FlowOutcome = Literal["finished", "failed", "killed"]


class FlowFigures(BaseModel):
    """What the runs of one flow of one model came to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    flow: str
    runs: dict[FlowOutcome, int] = {}
    """How many runs ended so."""
    ended: dict[FlowOutcome, float] = {}
    """When the last run ended so, in seconds since 1970."""
    seconds: float | None = None
    """How long the last run took; None if it was killed."""
    period: float | None = None
    """The longest time between two scheduled runs, in seconds; None without a schedule."""

    def with_end(
        self, outcome: FlowOutcome, at: float, seconds: float | None, period: float | None
    ) -> "FlowFigures":
        """Return the figures after a run that ended by *outcome* at *at*."""
        runs = self.runs | {outcome: self.runs.get(outcome, 0) + 1}
        changes = {"runs": runs, "ended": self.ended | {outcome: at}, "seconds": seconds, "period": period}
        return self.model_copy(update=changes)


def record_end(
    home: Path,
    model: str,
    flow: str,
    outcome: FlowOutcome,
    *,
    seconds: float | None = None,
    period: float | None = None,
) -> None:
    """Count a run of *flow* of *model* that ended by *outcome* just now, under the state folder *home*.

    Raises `StateError` if the folder cannot be written.
    """
    folder = home.absolute() / FOLDER
    with state_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model}~{flow}{SUFFIX}"
    with _turn(path.with_suffix(".lock")):
        before = _read(path) or FlowFigures(model=model, flow=flow)
        after = before.with_end(outcome, time.time(), seconds, period)
        write_whole(path, after.model_dump_json().encode(), flush=False)


def read_figures(home: Path) -> list[FlowFigures]:
    """Return the figures of every flow under *home*; a file that cannot be read is left out."""
    paths = sorted((home.absolute() / FOLDER).glob(f"*{SUFFIX}"))
    return [found for path in paths if (found := _read(path))]


def _read(path: Path) -> FlowFigures | None:
    """Read the figures at *path*; None if there are none, or broken ones."""
    with suppress(OSError, ValidationError):
        return FlowFigures.model_validate_json(path.read_bytes())
    return None


@contextmanager
def _turn(lock: Path) -> Iterator[None]:
    """Wait for whoever holds *lock*, but not for long."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with locked_file(lock) as is_ours:
            if is_ours or time.monotonic() > deadline:
                yield
                return
        time.sleep(0.01)
