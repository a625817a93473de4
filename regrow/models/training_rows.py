"""Which of the known rows a fit learns from, and how much each counts: the choice among several windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.data.times import in_utc
from regrow.errors import DataError
from regrow.models.contract import Contract
from regrow.models.fitting import fit_pipeline, kind_of
from regrow.models.frames import infer_columns, widen_whole_numbers
from regrow.models.metrics import as_judged, score, sign
from regrow.models.weights import sample_weights
from regrow.project import CsvSource, Project
from regrow.project.training import HalfLife, TrainingWindow


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


def weights_of(
    project: Project, window: TrainingWindow | None, frame: pd.DataFrame
) -> NDArray[np.float64] | None:
    """Return how much each row of *frame* counts, by *window* or else by the file; None if all count alike."""
    half_life = window and window.half_life
    asked = HalfLife(half_life=half_life) if half_life else project.training.sample_weight
    return sample_weights(asked, frame, project.data.timestamp)


def contract_of(
    project: Project, frame: pd.DataFrame, names: Sequence[str], gaps: frozenset[str] = frozenset()
) -> Contract:
    """Return what a model takes that is fitted on the columns *names* of *frame*; in *gaps* values may be missing."""
    found = infer_columns(frame[[*names]], gaps=gaps, untyped=isinstance(project.data.source, CsvSource))
    return Contract(widen_whole_numbers(found, frame))


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
    data, metric = project.data, project.evaluation.primary
    gaps = frozenset(name for name in names if after[name].isna().any())
    try:
        contract = contract_of(project, rows, names, gaps)
        pipeline, _ = fit_pipeline(
            project.training.model_copy(update={"search": None}), contract.read(rows), rows[data.target], True,
            project.path, metric, weights_of(project, window, rows), data.timestamp,
        )  # fmt: skip
        kind, classes = kind_of(pipeline)
        answer = pipeline.predict if kind == "regression" else pipeline.predict_proba
        prediction = np.asarray(answer(contract.read(after)), dtype=np.float64)
        figure = score(metric, after[data.target], as_judged(metric, prediction, None), classes)
    except DataError as error:
        return WindowTrial(window, len(rows), None, str(error))
    return WindowTrial(window, len(rows), figure)
