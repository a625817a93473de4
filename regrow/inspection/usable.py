"""Whether a model can be trained on rows, found before it is: each column and the target, with the remedy."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types
from sklearn.base import is_classifier

from regrow.base.errors import DataError
from regrow.data.sources import feature_columns
from regrow.models.contract import Contract
from regrow.models.frames import infer_columns, why_idle
from regrow.models.preprocessing import missing_words, why_refused
from regrow.project import CsvSource, Project
from regrow.project.estimators import build_estimator
from regrow.project.training import ByType

EXACT = 2**53
"""The largest whole number up to which a model's float holds each."""
MOST_CLASSES = 200
"""Different numbers beyond which they are taken for amounts, whatever the estimator."""
FEW_ROWS = 5
"""Rows of the rarest of more than fifty numbers below which they are taken for amounts."""


@dataclass(frozen=True)
class Usability:
    """What keeps a model from being trained, and what a person should know; each names its column."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]


def judge_columns(project: Project, frame: pd.DataFrame) -> Usability:
    """Return what is wrong with the features and the target of *frame*, and which columns the model will not use."""
    names = feature_columns(project, list(frame.columns))
    features = frame[names]
    idle = why_idle(features)
    problems = [problem for name in names if name not in idle for problem in _judge(project, features[name])]
    if isinstance(asked := project.training.preprocessing, ByType):
        problems += missing_words(asked, names)
    problems += _judge_target(project, frame[project.data.target])
    if names and len(idle) == len(names):
        problems.append("no column tells anything; bring others, or widen training.window")
    notes = [f"column `{name}`: {why}: the model does not use it" for name, why in idle.items()]
    notes += [note for name in names if name not in idle for note in _doubts(features[name])]
    return Usability(tuple(problems), tuple(notes))


def _judge(project: Project, values: pd.Series) -> Iterator[str]:
    """Yield why a model cannot take *values*: the same as `fit` would refuse, and batch scoring after it."""
    untyped = isinstance(project.data.source, CsvSource)
    try:
        columns = infer_columns(values.to_frame(), untyped=untyped)
        read = Contract(columns).read(values.to_frame(), untyped=untyped)
    except DataError as error:
        yield str(error)
        return
    asked = project.training.preprocessing
    if isinstance(asked, ByType) and (why := why_refused(asked, read[columns[0].name])):
        yield why


def _doubts(values: pd.Series) -> Iterator[str]:
    """Yield what a person should know of *values*, which a model can take."""
    if types.is_integer_dtype(values) and values.notna().any():
        largest = max(abs(int(values.min())), abs(int(values.max())))
        if largest > EXACT:
            yield (
                f"column `{values.name}`: whole numbers beyond 2^53, which a model sees rounded; if they name "
                "something, leave them out of data.features, or make text of them"
            )


def _judge_target(project: Project, target: pd.Series) -> Iterator[str]:
    """Yield why the estimator cannot predict *target*."""
    present, named = target.dropna(), project.training.estimator
    if present.empty:
        return
    where = f"column `{target.name}`"
    numbers = types.is_numeric_dtype(present) and not types.is_bool_dtype(present)
    if not is_classifier(build_estimator(project.training, project.path)):
        if not types.is_numeric_dtype(present):
            yield f"{where}: holds {present.iloc[0]!r}, and {named} predicts numbers; name a classifier"
        return
    if types.is_datetime64_any_dtype(present):
        yield f"{where}: holds dates, and {named} predicts classes; make classes or numbers of them in the source"
    if not numbers:
        return
    values = present.to_numpy(dtype=np.float64)
    broken = values[np.isfinite(values) & (values != np.floor(values))]
    counts = present.value_counts()
    remedy = "name a regressor, or make classes of it in the source"
    if len(broken) and len(counts) > 2:
        yield f"{where}: holds numbers such as {broken[0]:g}, and {named} predicts classes; {remedy}"
    elif len(counts) > MOST_CLASSES or (len(counts) > 50 and counts.min() < FEW_ROWS):
        yield (
            f"{where}: holds {len(counts):,} different numbers, and {named} takes each for a class; {remedy}"
        )
