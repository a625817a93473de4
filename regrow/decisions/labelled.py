"""Which served rows of a window have their label, and where labels have matured."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.base.errors import DataError
from regrow.data.joining import join_labels, keys_of_logged, read_labels_of
from regrow.data.labels import predictions_told
from regrow.data.predictions import count_unknown, read_answers, read_row_names
from regrow.data.rows import among, may_be_learnt, trained_keys
from regrow.decisions.hold_back import find_judged
from regrow.decisions.maturity import open_below
from regrow.models.metrics import Floats, as_judged, score
from regrow.models.predictions import fit_to, restore_labels, stack_predictions
from regrow.models.results import ModelFacts
from regrow.project import Metric, Project
from regrow.project.monitoring import MOST_ROWS

PAST = 3
"""Windows before the judged one whose figures are computed again: labels may have come for them since."""
SAMPLE = 50_000
"""Rows of the log from which it is learnt which of them still wait for labels."""


@dataclass(frozen=True)
class Labelled:
    """What a version predicted of a window's rows, each row once, beside what came true."""

    start: datetime
    end: datetime
    rows: pd.DataFrame
    """The rows that have a label, with `target` as the model's classes spell it."""
    prediction: Floats
    unlabelled: int
    unfit: int = 0
    """Labels that are no class of the model, or no number for a regression: they are left out."""
    ambiguous: int = 0
    """Labels of an entity that recurs, which do not tell which of its rows they mean: they are left out."""
    trained: int = 0
    """Rows that the version was trained on: they are left out."""
    acted_on: int = 0
    """Rows that were not held back while others were: what was done for their answers may have changed their labels,
    so they are left out."""
    unknown: int = 0
    """Labels known since the window began that name a prediction which the log does not hold."""

    @property
    def target(self) -> NDArray[np.generic]:
        """The labels."""
        return self.rows["target"].to_numpy()

    def figure(self, metric: Metric, facts: ModelFacts) -> float | None:
        """Return *metric* on the labelled rows; None if they leave it undefined."""
        try:
            seen = as_judged(metric, self.prediction, facts.threshold)
            value = score(metric, self.target, seen, facts.classes) if len(self.rows) else math.nan
        except DataError:
            return None
        return value if math.isfinite(value) else None


def label_window(
    project: Project,
    version: int,
    facts: ModelFacts,
    labels: pd.DataFrame,
    trained: pd.Series,
    start: datetime,
    end: datetime,
) -> Labelled:
    """Join what *version* predicted of events in [*start*, *end*) with *labels*, but for rows of the keys *trained*.

    If a share of them was held back, that alone is looked at.
    Rows that nothing names are left out if they are not newer than all that the version has learnt.
    Of a row that it predicted several times the last prediction counts, and every one with a label of its own.
    """
    served = read_answers(project.name, start, end, MOST_ROWS)
    own = served[served["version"] == version].sort_values(["served_at", "prediction_id"])
    names = keys_of_logged(own, project.data).fillna(own["prediction_id"])
    seen = among(names, trained) | may_be_learnt(own, facts.training, project.data)
    own, names = own[~seen], names[~seen]
    kept = find_judged(own)
    own, names = own[kept], names[kept]
    joined = join_labels(project.name, own, labels, project.data)
    rows = joined.rows[joined.rows["own"] | ~joined.rows["key"].duplicated(keep="last")]
    fit = fit_to(rows["label"], facts)
    rows, left = rows[fit], names.nunique() - names.loc[joined.rows.index].nunique()
    prediction = stack_predictions(rows["prediction"], facts)
    rows = rows.assign(target=restore_labels(rows["label"], facts))
    return Labelled(
        start,
        end,
        rows,
        prediction,
        left,
        int((~fit).sum()),
        joined.ambiguous,
        int(seen.sum()),
        acted_on=int((~kept).sum()),
    )


def labels_within(project: Project, start: datetime, end: datetime, as_of: datetime) -> pd.DataFrame:
    """Read the labels, known at *as_of*, of what was predicted of events in [*start*, *end*)."""
    rows = read_row_names(project.name, start, end, more=["prediction_id"])
    return read_labels_of(project.name, rows, project.data, as_of)


def end_of_matured(project: Project, as_of: datetime) -> datetime:
    """Return the event time before which rows have their labels at *as_of*, if they ever get one.

    It lies `data.label_delay` back; if labels have times of their own, at least as far as rows still wait for theirs.
    """
    data, end = project.data, as_of - project.data.label_delay
    if data.label_delay and data.labels is None:
        return end
    rows = read_answers(project.name, None, end, SAMPLE)
    labels = read_labels_of(project.name, rows, data, as_of)
    known = rows.index.isin(join_labels(project.name, rows, labels, data).rows.index)
    ages = (pd.Timestamp(as_of) - rows["event_time"]).dt.total_seconds().to_numpy()
    waiting = open_below(ages, known, project.monitoring.performance.matured)
    return as_of - timedelta(seconds=waiting) if waiting else end


def label_windows(
    project: Project, version: int, facts: ModelFacts, length: timedelta, as_of: datetime
) -> list[Labelled]:
    """Label the newest window of *length* whose labels have matured at *as_of*, and those before it; it is the last."""
    end = end_of_matured(project, as_of)
    ends = [end - back * length for back in range(PAST, -1, -1)]
    labels = labels_within(project, ends[0] - length, end, as_of)
    trained = trained_keys(facts.training, project.data, ends[0] - length)
    windows = [label_window(project, version, facts, labels, trained, each - length, each) for each in ends]
    unknown = count_unknown(project.name, predictions_told(project.name, windows[-1].start, as_of))
    return [*windows[:-1], replace(windows[-1], unknown=unknown)]
