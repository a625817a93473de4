"""Measure the champion on the labels that have matured."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.data.delta import table_version
from regrow.data.joining import join_labels, keys_of_logged
from regrow.data.labels import labels_path, read_labels
from regrow.data.predictions import count_predictions, count_unknown, predictions_path, read_answers
from regrow.data.rows import among, trained_keys
from regrow.data.windows import LabelledRows, column_types, digest_of
from regrow.decisions.looks import level_of_look
from regrow.decisions.maturity import are_late, open_below
from regrow.decisions.performance import Holdout, judge_performance
from regrow.decisions.units import units_of_logged
from regrow.errors import DataError
from regrow.lineage import announce, current, step
from regrow.models.metrics import Floats, as_judged, score
from regrow.models.predictions import fit_to, restore_labels, stack_predictions
from regrow.notifications.event import numbers
from regrow.project import Metric, Project
from regrow.project.monitoring import MOST_ROWS
from regrow.registry import Version
from regrow.results import Measurement, ModelFacts
from regrow.verdict import Finding

PAST = 3
"""Windows before the judged one whose figures are computed again: labels may have come for them since."""
JUDGED = (
    "prediction_id",
    "row_key",
    "entity_id",
    "event_time",
    "version",
    "prediction",
    "target",
    "labelled_at",
)
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

    Of a row that it predicted several times the last prediction counts, and every one with a label of its own.
    """
    served = read_answers(project.name, start, end, MOST_ROWS)
    own = served[served["version"] == version].sort_values(["served_at", "prediction_id"])
    names = keys_of_logged(own, project.data).fillna(own["prediction_id"])
    seen = among(names, trained)
    own, names = own[~seen], names[~seen]
    joined = join_labels(project.name, own, labels, project.data)
    rows = joined.rows[joined.rows["own"] | ~joined.rows["key"].duplicated(keep="last")]
    fit = fit_to(rows["label"], facts)
    rows, left = rows[fit], names.nunique() - names.loc[joined.rows.index].nunique()
    prediction = stack_predictions(rows["prediction"], facts)
    rows = rows.assign(target=restore_labels(rows["label"], facts))
    return Labelled(start, end, rows, prediction, left, int((~fit).sum()), joined.ambiguous, int(seen.sum()))


def end_of_matured(project: Project, labels: pd.DataFrame, as_of: datetime) -> datetime:
    """Return the event time before which rows have their labels at *as_of*, if they ever get one.

    It lies `data.label_delay` back; if labels have times of their own, at least as far as rows still wait for theirs.
    """
    data, end = project.data, as_of - project.data.label_delay
    if data.label_delay and data.labels is None:
        return end
    rows = read_answers(project.name, None, end, SAMPLE)
    known = rows.index.isin(join_labels(project.name, rows, labels, data).rows.index)
    ages = (pd.Timestamp(as_of) - rows["event_time"]).dt.total_seconds().to_numpy()
    waiting = open_below(ages, known, project.monitoring.performance.matured)
    return as_of - timedelta(seconds=waiting) if waiting else end


def label_windows(
    project: Project, version: int, facts: ModelFacts, length: timedelta, as_of: datetime
) -> list[Labelled]:
    """Label the newest window of *length* whose labels have matured at *as_of*, and those before it; it is the last."""
    labels = read_labels(project.name, as_of)
    end = end_of_matured(project, labels, as_of)
    ends = [end - back * length for back in range(PAST, -1, -1)]
    trained = trained_keys(facts.training, project.data, ends[0] - length)
    windows = [label_window(project, version, facts, labels, trained, each - length, each) for each in ends]
    late = labels.loc[labels["labelled_at"] >= pd.Timestamp(windows[-1].start), "prediction_id"]
    unknown = count_unknown(project.name, late.dropna().unique().tolist())
    return [*windows[:-1], replace(windows[-1], unknown=unknown)]


def describe_rows(judged: Labelled, model: str, champion: int, as_of: datetime) -> LabelledRows:
    """Describe the rows of *model* that *champion* was judged on by where they stand, with the labels of *as_of*."""
    rows = judged.rows[list(JUDGED)]
    return LabelledRows(
        model=model,
        version=table_version(predictions_path(model)) or 0,
        labels=table_version(labels_path(model)) or 0,
        champion=champion,
        start=judged.start,
        end=judged.end,
        as_of=as_of,
        rows=len(rows),
        columns=column_types(rows),
        digest=digest_of(rows["prediction_id"] + "=" + rows["target"].astype(str)),
    )


def describe_window(finding: Finding, judged: Labelled, younger: int) -> Finding:
    """Add to *finding* which events it is of, and what is still open."""
    told = [f"events from {judged.start:%Y-%m-%d %H:%M} to {judged.end:%Y-%m-%d %H:%M} UTC"]
    counts = {
        "without a label": judged.unlabelled,
        "with a label that does not fit the model": judged.unfit,
        "that the version was trained on": judged.trained,
    }
    told += [f"{count} rows {what}" for what, count in counts.items() if count]
    if judged.ambiguous:
        told.append(f"{judged.ambiguous} labels of entities that recur do not tell their row")
    if judged.unknown:
        told.append(f"{judged.unknown} labels name a prediction that the log does not hold")
    if younger:
        told.append(f"{younger} later rows are still open")
    return Finding.model_validate(dict(finding) | {"detail": f"{finding.detail}; {', '.join(told)}"})


def holdout_figure(champion: Version, facts: ModelFacts, metric: Metric) -> Holdout:
    """Return what *champion* reached by *metric* when it was judged, and the number of rows that this is of.

    It was judged on the rows of its holdout that no model of the comparison had seen. Regrow 0.1 did not keep how
    many: of its versions the whole holdout is counted, which makes the figure look surer than it is.
    """
    rows = champion.metrics_rows
    return Holdout(
        metric,
        figure=champion.metrics.get(metric, math.nan),
        rows=facts.holdout.rows if rows is None else rows,
        classes=facts.classes,
        error=champion.metrics_errors.get(metric),
        rows_are_known=rows is not None,
    )


@step(retries=2, retry_delay_seconds=[5, 30])
def measure_performance(
    project: Project, champion: Version, length: timedelta, as_of: datetime
) -> Measurement:
    """Judge the champion's metrics on the newest window of *length* whose labels have come by *as_of*.

    The figures of the windows before it are computed again, as metrics whose step is the window's end in seconds
    since 1970.
    """
    run, facts, primary = current(), champion.facts, project.evaluation.primary
    windows = label_windows(project, champion.number, facts, length, as_of)
    judged = windows[-1]
    younger = count_predictions(project.name, judged.end, as_of)
    holdout = holdout_figure(champion, facts, primary)
    seen = as_judged(primary, judged.prediction, facts.threshold)
    units = units_of_logged(judged.rows, project.data.sampling_unit)
    rule, level = project.monitoring.performance, level_of_look(project)
    found = judge_performance(judged.target, seen, holdout, rule, units, level)
    finding = describe_window(found, judged, younger)
    figures = name_figures(judged, younger, holdout) | _figures(finding, primary)
    if len(judged.rows):
        run.log_input(describe_rows(judged, project.name, champion.number, as_of), "labelled")
    run.log_metrics(figures)
    for window in windows:
        run.log_metrics(window_figures(window, primary, facts), at=int(window.end.timestamp()))
    tell_late(project, windows, as_of)
    return Measurement(subject="performance", findings=(finding,), figures=figures, url=run.url)


def tell_late(project: Project, windows: list[Labelled], as_of: datetime) -> None:
    """Announce if the labels of the newest of *windows* should have come by *as_of* and have not."""
    judged, before = windows[-1], windows[:-1]
    waited = as_of - project.data.label_delay - judged.end
    labels, earlier = len(judged.rows), sum(len(window.rows) for window in before)
    if not are_late(labels, judged.unlabelled, earlier, waited, judged.end - judged.start):
        return
    figures = numbers({"labels": labels, "rows without a label": judged.unlabelled, "labels before": earlier})
    since = f"{labels} of {labels + judged.unlabelled} rows up to {judged.end:%Y-%m-%d %H:%M} UTC have their label"
    announce(project, "labels.late", f"{since}; look after what brings them", figures=figures, as_of=as_of)


def name_figures(judged: Labelled, younger: int, holdout: Holdout) -> dict[str, float]:
    """Name what is known of the *judged* window beside its metric."""
    figures = {
        "performance.labels": len(judged.rows),
        "performance.open": judged.unlabelled + younger,
        "performance.holdout": holdout.figure,
        "performance.holdout.rows": holdout.rows,
        "labels.unfit": judged.unfit,
        "labels.ambiguous": judged.ambiguous,
        "labels.unknown": judged.unknown,
    }
    return {name: float(value) for name, value in figures.items()}


def window_figures(window: Labelled, metric: Metric, facts: ModelFacts) -> dict[str, float]:
    """Name the figures of one *window*; none if the version predicted no row of it."""
    if not len(window.rows) and not window.unlabelled:
        return {}
    figures = {"labels": float(len(window.rows)), "open": float(window.unlabelled)}
    value = window.figure(metric, facts)
    figures |= {} if value is None else {metric: value}
    return {f"performance.window.{name}": figure for name, figure in figures.items()}


def _figures(finding: Finding, metric: str) -> dict[str, float]:
    """Name the figures of *finding*; none if it measured none."""
    if finding.figure is None or finding.interval is None:
        return {}
    low, high = finding.interval
    name = f"performance.{metric}"
    return {name: finding.figure, f"{name}.low": low, f"{name}.high": high}
