"""Which of the known rows a fit learns from: the choice among several windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from regrow.base.errors import DataError
from regrow.data.times import in_utc
from regrow.models.metrics import score, sign
from regrow.models.predictions import ask
from regrow.models.recipe import columns_with_gaps, fit_recipe
from regrow.project import Project
from regrow.project.training import TrainingWindow


@dataclass(frozen=True)
class WindowTrial:
    """What a model of one window reached on the rows that came after it."""

    window: TrainingWindow
    rows: int
    """Rows that it was fitted on."""
    score: float | None
    """The primary metric; None if it could not be measured, see *problem*."""
    problem: str = ""


def rows_of(
    window: TrainingWindow | None, frame: pd.DataFrame, timestamp: str | None, end: datetime | None = None
) -> pd.DataFrame:
    """Leave the rows of *frame* that *window* reaches back to, from *end* (default: the newest row); None: all."""
    if window is None or window.length is None or timestamp is None:
        return frame
    first = (in_utc(frame[timestamp]).max() if end is None else pd.Timestamp(end)) - window.length
    return frame[(in_utc(frame[timestamp]) >= first).to_numpy()].reset_index(drop=True)


def try_windows(
    project: Project, frame: pd.DataFrame, names: Sequence[str], length: timedelta
) -> list[WindowTrial]:
    """Fit each of the file's windows on *frame* without its newest rows, and measure it on these.

    The newest rows are those of the last *length*, as long as the holdout is: so each window is tried as it is judged
    later, a holdout earlier. Without a search, which is made in the window that is chosen. Windows that reach back to
    the same rows are fitted once.
    """
    timestamp = str(project.data.timestamp)
    times = in_utc(frame[timestamp])
    end = times.max()
    newest = (times > end - length).to_numpy()
    before, after = (frame[rows].reset_index(drop=True) for rows in (~newest, newest))
    trials: list[WindowTrial] = []
    known: dict[tuple[int, timedelta | None], WindowTrial] = {}
    for window in project.training.choices:
        rows = rows_of(window, before, timestamp, end)
        key = (len(rows), window.half_life)
        known[key] = known.get(key) or _try(project, window, rows, after, names)
        trials.append(WindowTrial(window, len(rows), known[key].score, known[key].problem))
    return trials


def best_of(trials: Sequence[WindowTrial], metric: str) -> WindowTrial:
    """Return the best of *trials* by *metric*, of equal ones the first; the first of all if none could be measured."""
    measured = [trial for trial in trials if trial.score is not None]
    return max(measured, key=lambda trial: sign(metric) * (trial.score or 0.0)) if measured else trials[0]


def _try(
    project: Project, window: TrainingWindow, rows: pd.DataFrame, after: pd.DataFrame, names: Sequence[str]
) -> WindowTrial:
    """Fit on *rows* and measure on *after*; too few rows to do either are a problem, and no error."""
    metric, target = project.evaluation.primary, project.data.target
    plain = project.training.model_copy(update={"search": None, "threshold": None})
    project = project.model_copy(update={"training": plain})
    try:
        fitted = fit_recipe(project, window, rows, names, columns_with_gaps(after[[*names]]))
        prediction = ask(fitted.pipeline, fitted.kind, fitted.contract.read(after))
        figure = score(metric, after[target], prediction, fitted.classes)
    except DataError as error:
        return WindowTrial(window, len(rows), None, str(error))
    return WindowTrial(window, len(rows), figure)
