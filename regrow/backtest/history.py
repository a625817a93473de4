"""The rows of a model's past, and what of them was known at a moment."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.base.errors import ProjectError
from regrow.data.times import in_utc
from regrow.decisions.units import Units, units_of
from regrow.project import LogSource, Project, TimeSplit
from regrow.project.evaluation import FairnessGate, SliceGate

NUMBER = "number of the row"
"""The column by which a row is found again when rows are left out."""
Told = Callable[[pd.DataFrame, datetime], pd.DataFrame]
"""Returns rows with the labels as they were known at a moment."""


@dataclass(frozen=True)
class History:
    """The rows whose label is known at the end of a backtest, oldest first, numbered from 0."""

    project: Project
    rows: pd.DataFrame
    told: Told
    share: float = 1.0
    """The share of all rows that these are, drawn within each day."""

    @cached_property
    def times(self) -> pd.Series:
        """The event time of each row, UTC."""
        return in_utc(self.rows[str(self.project.data.timestamp)])

    @cached_property
    def units(self) -> Units:
        """The unit of each row."""
        return units_of(self.rows, self.project.data)

    @cached_property
    def _hashes(self) -> NDArray[np.uint64]:
        """A hash of each row's content."""
        mixed = {str(name): "str" for name in self.rows if self.rows[name].dtype == object}
        return np.asarray(pd.util.hash_pandas_object(self.rows.astype(mixed)), dtype=np.uint64)

    def digest(self, part: pd.DataFrame) -> str:
        """Hash the content of *part*, rows of these with the labels of some moment."""
        labels = pd.util.hash_pandas_object(part[self.project.data.target].astype(str)).to_numpy()
        return hashlib.sha256(self._hashes[part.index].tobytes() + labels.tobytes()).hexdigest()

    def between(self, start: datetime, end: datetime) -> NDArray[np.bool_]:
        """Return which rows have their event in [*start*, *end*)."""
        return ((self.times >= start) & (self.times < end)).to_numpy(np.bool_)

    def known_until(self, as_of: datetime) -> datetime:
        """Return the moment before which the events lie whose labels were known at *as_of*."""
        return as_of - self.project.data.label_delay

    def known(self, as_of: datetime, reach: timedelta | None = None) -> pd.DataFrame:
        """Return the rows of which all was known at *as_of*, with their labels of then; *reach* bounds their age."""
        end = self.known_until(as_of)
        within = (self.times < end).to_numpy(np.bool_)
        if reach is not None:
            within = within & (self.times >= as_of - reach).to_numpy(np.bool_)
        return self.labelled(within, as_of)

    def labelled(self, rows: NDArray[np.bool_], as_of: datetime) -> pd.DataFrame:
        """Return *rows* with their labels as they were known at *as_of*."""
        found = self.rows[rows]
        numbers = found.index
        return self.told(found.reset_index(drop=True), as_of).set_axis(numbers)

    def unknown(self, as_of: datetime, known: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that a model of *as_of*, which may have learnt of *known*, is asked about."""
        rest = ~self.rows.index.isin(known.index)
        if isinstance(self.project.data.splitting, TimeSplit):
            rest = rest & (self.times >= self.known_until(as_of)).to_numpy(np.bool_)
        return self.rows[rest]


def require_replayable(project: Project) -> None:
    """Raise `ProjectError` if *project* has no past that can be lived through again."""
    if project.data.timestamp is None:
        raise ProjectError(
            f"{project.path}: data.timestamp: a backtest needs the event's time, to know what was known when; name "
            "the column"
        )
    if isinstance(project.data.source, LogSource):
        raise ProjectError(
            f"{project.path}: data.source: a backtest reads rows of the past from their own table, not from the "
            "prediction log; name the table in a project file of its own"
        )


def everything(project: Project) -> Project:
    """Return *project* with the whole past as its window, by which the rows of a backtest are read."""
    training = project.training.model_copy(update={"window": None, "windows": ()})
    return project.model_copy(update={"training": training})


def thin(frame: pd.DataFrame, share: float) -> pd.DataFrame:
    """Draw a *share* of the rows of *frame*, each by itself, so of each day about as much; the same ones each time."""
    if share >= 1:
        return frame.reset_index(drop=True)
    kept = np.random.default_rng(0).random(len(frame)) < share
    return frame[kept].reset_index(drop=True)


def thin_rules(project: Project, share: float) -> Project:
    """Return *project* with the least numbers of rows of its rules made smaller by *share*, as its rows are."""
    if share >= 1:
        return project

    def fewer(count: int) -> int:
        return max(1, round(count * share))

    watch, plan = project.monitoring, project.evaluation
    gates = tuple(
        gate.model_copy(update={"least_rows": fewer(gate.least_rows)})
        if isinstance(gate, SliceGate | FairnessGate)
        else gate
        for gate in plan.gates
    )
    return project.model_copy(
        update={
            "evaluation": plan.model_copy(update={"gates": gates}),
            "monitoring": watch.model_copy(
                update={
                    "performance": watch.performance.model_copy(
                        update={"least_rows": fewer(watch.performance.least_rows)}
                    ),
                    "drift": watch.drift.model_copy(update={"least_rows": fewer(watch.drift.least_rows)}),
                }
            ),
            "retraining": project.retraining.model_copy(
                update={"least_labels": fewer(project.retraining.least_labels)}
            ),
        }
    )
