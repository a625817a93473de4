"""Measure the champion on the labels that have matured."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from regrow.base.verdict import Finding
from regrow.data.delta import table_version
from regrow.data.labels import labels_path
from regrow.data.predictions import count_predictions, predictions_path
from regrow.data.windows import LabelledRows, column_types, digest_of
from regrow.decisions.labelled import Labelled, label_windows
from regrow.decisions.looks import level_of_look
from regrow.decisions.maturity import are_late
from regrow.decisions.performance import Holdout, judge_performance
from regrow.decisions.units import units_of_logged
from regrow.lineage import announce, current, step
from regrow.models.metrics import as_judged
from regrow.models.results import Measurement, ModelFacts
from regrow.notifications.event import numbers
from regrow.project import Metric, Project
from regrow.registry import Version

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
        "that were not held back, so that their answers may have changed their labels": judged.acted_on,
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
    told = [(window, window_figures(window, primary, facts)) for window in windows]
    for window, measured in told:
        run.log_metrics(measured, at=int(window.end.timestamp()))
    tell_late(project, windows, as_of)
    return Measurement(
        subject="performance",
        findings=(finding,),
        figures=figures,
        url=run.url,
        remarks=describe_past(told[:-1], primary),
    )


def describe_past(windows: Sequence[tuple[Labelled, dict[str, float]]], metric: Metric) -> tuple[str, ...]:
    """Say in a sentence what the earlier *windows*, each with its figures, come to by now; nothing if all are empty."""
    told = []
    for window, figures in windows:
        if not figures:
            continue
        value = figures.get(f"performance.window.{metric}")
        seen = f"no {metric}" if value is None else f"{metric} {value:.3f}"
        told.append(
            f"{seen} until {window.end:%Y-%m-%d %H:%M} ({len(window.rows):,} labels, {window.unlabelled:,} open)"
        )
    return (f"Windows before it, with the labels of now: {'; '.join(told)}",) if told else ()


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
        "performance.acted_on": judged.acted_on,
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
