"""One training of the past: split, fitted and fitted again as `regrow train` does it, then asked about its future."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from regrow.backtest.answers import Answers, Facts
from regrow.backtest.history import NUMBER
from regrow.base.errors import DataError
from regrow.data.snapshots import to_frame, to_table
from regrow.data.sources import feature_columns
from regrow.data.times import in_utc
from regrow.decisions.splitting import part_rows
from regrow.models.metrics import Floats
from regrow.models.predictions import ask
from regrow.models.recipe import Fitted, columns_with_gaps, fit_recipe, refit_recipe
from regrow.models.training_rows import best_of, rows_of, try_windows
from regrow.project import Project
from regrow.project.training import TrainingWindow

ONE_BY_ONE = 64
"""Rows, among which one does not fit the model, that are asked about one by one."""

Accept = Callable[[Project, pd.DataFrame], pd.DataFrame]
"""Returns the rows that meet the expectations; raises `DataError` if the batch is rejected."""


@dataclass(frozen=True)
class Job:
    """What a training is given: what was known at *as_of*, and apart from it the rows that it is asked about."""

    project: Project
    as_of: datetime
    known: pd.DataFrame
    """Indexed by the number of each row."""
    asked: pd.DataFrame
    total: int
    """Rows of the history."""


def train_once(accept: Accept, job: Job) -> Answers:
    """Do *job*, by the expectations that *accept* asks; what cannot be trained on is a problem, and no error."""
    began = time.process_time()
    try:
        return _train(accept, job, began)
    except DataError as error:
        facts = Facts(job.as_of.isoformat(), seconds=time.process_time() - began, problem=str(error))
        none, nothing = np.zeros(job.total, dtype=np.bool_), np.full(job.total, np.nan)
        return Answers(facts, none, none, none, nothing, nothing)


def _train(accept: Accept, job: Job, began: float) -> Answers:
    project, data = job.project, job.project.data
    numbered = job.known.assign(**{NUMBER: job.known.index.to_numpy()}).reset_index(drop=True)
    accepted = accept(project, numbered.drop(columns=NUMBER))
    numbers = numbered[NUMBER].loc[accepted.index].to_numpy()
    accepted = to_frame(to_table(accepted.reset_index(drop=True)))  # In the types that a snapshot gives back.
    training, held = part_rows(accepted, data, project.training.seed, project.training.shortest)
    names = feature_columns(project, list(job.known.columns))
    parts = accepted.assign(**{NUMBER: numbers})
    older, holdout = (parts.iloc[rows].reset_index(drop=True) for rows in (training, held))
    window = _choose(project, older, holdout, names)
    end = in_utc(accepted[str(data.timestamp)]).max()
    rows = rows_of(window, older, data.timestamp, end)
    fitted = fit_recipe(project, window, rows, names, columns_with_gaps(holdout[names]))
    learnt, pipeline = rows, fitted.pipeline
    if project.training.refit:
        learnt = rows_of(window, parts, data.timestamp)
        pipeline, _ = refit_recipe(project, window, fitted.contract, rows, learnt, fitted.chosen)
    seconds = time.process_time() - began
    facts = Facts(
        job.as_of.isoformat(), fitted.kind, fitted.classes, fitted.threshold, str(window or ""),
        project.training.refit, seconds,
    )  # fmt: skip
    future = _ask(fitted, fitted.pipeline, job.asked)
    return Answers(
        facts,
        *(_flags(job, part) for part in (rows, holdout, learnt)),
        judged=_spread(job, fitted, [(holdout, None), (job.asked, future)]),
        served=_spread(
            job,
            fitted,
            [(job.asked, _ask(fitted, pipeline, job.asked) if project.training.refit else future)],
        ),
    )


def _choose(
    project: Project, older: pd.DataFrame, holdout: pd.DataFrame, names: list[str]
) -> TrainingWindow | None:
    """Return the window of the file's list that `fit` would choose; None if there is no list."""
    if not project.training.windows:
        return None
    times = in_utc(holdout[str(project.data.timestamp)])
    trials = try_windows(project, older, names, times.max() - times.min())
    return best_of(trials, project.evaluation.primary).window


def _flags(job: Job, part: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows of the history are in *part*."""
    flags = np.zeros(job.total, dtype=np.bool_)
    flags[part[NUMBER].to_numpy(np.int64)] = True
    return flags


def _spread(job: Job, fitted: Fitted, parts: list[tuple[pd.DataFrame, Floats | None]]) -> Floats:
    """Return the predictions of *parts* at the numbers of their rows; those that are None are made."""
    shape = (job.total, len(fitted.classes)) if fitted.classes else (job.total,)
    spread = np.full(shape, np.nan)
    for part, given in parts:
        numbers = part[NUMBER].to_numpy(np.int64) if NUMBER in part else part.index.to_numpy()
        spread[numbers] = _ask(fitted, fitted.pipeline, part) if given is None else given
    return spread


def _ask(fitted: Fitted, pipeline: Pipeline, rows: pd.DataFrame) -> Floats:
    """Predict *rows*; one that does not fit the model, which a server would refuse, has NaN."""
    if rows.empty:
        return np.zeros((0, len(fitted.classes)) if fitted.classes else 0)
    try:
        features = fitted.contract.read(rows)
    except DataError:
        if len(rows) == 1:
            return np.full((1, len(fitted.classes)) if fitted.classes else 1, np.nan)
        step = 1 if len(rows) <= ONE_BY_ONE else len(rows) // 2
        pieces = [rows.iloc[first : first + step] for first in range(0, len(rows), step)]
        return np.concatenate([_ask(fitted, pipeline, piece) for piece in pieces])
    return ask(pipeline, fitted.kind, features)
