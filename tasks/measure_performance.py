"""Measure the champion on the labels that have matured."""

import math
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from regrow.data.joining import join_labels
from regrow.data.labels import read_labels
from regrow.decisions.performance import Holdout, judge_performance
from regrow.lineage import current, step
from regrow.models.predictions import fit_to, restore_labels, stack_predictions
from regrow.project import Metric, Project
from regrow.registry import Version
from regrow.results import Measurement, ModelFacts, Window
from regrow.verdict import Finding


@dataclass(frozen=True)
class Labelled:
    """A version's rows that have a label, each row once, and how many labels were left out."""

    rows: pd.DataFrame
    unfit: int
    """Labels that are no class of the model, or no number for a regression."""
    ambiguous: int
    """Labels of an entity that recurs, which do not tell which of its rows they mean."""


def label_rows(
    project: Project, served: pd.DataFrame, labels: pd.DataFrame, version: int, facts: ModelFacts
) -> Labelled:
    """Join what *version* predicted of *served* with *labels*.

    Of a row that was predicted several times the last prediction counts, and every one with a label of its own.
    """
    own = served[served["version"] == version].sort_values(["served_at", "prediction_id"])
    joined = join_labels(project.name, own, labels, project.data)
    rows = joined.rows[joined.rows["own"] | ~joined.rows["key"].duplicated(keep="last")]
    fit = fit_to(rows["label"], facts)
    return Labelled(rows[fit], int((~fit).sum()), joined.ambiguous)


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
        rows_are_known=rows is not None,
    )


@step(retries=2, retry_delay_seconds=[5, 30])
def measure_performance(project: Project, champion: Version, window: Window, as_of: datetime) -> Measurement:
    """Judge the champion's metrics on the rows of *window* whose labels were known at *as_of*."""
    run, facts = current(), champion.facts
    served, labels = window.predictions.read(), read_labels(project.name, as_of)
    found = label_rows(project, served, labels, champion.number, facts)
    rows = found.rows
    target, prediction = restore_labels(rows["label"], facts), stack_predictions(rows["prediction"], facts)
    primary = project.evaluation.primary
    holdout = holdout_figure(champion, facts, primary)
    finding = judge_performance(target, prediction, holdout, project.monitoring.performance)
    figures = {"performance.labels": float(len(rows)), "performance.holdout": holdout.figure}
    figures["performance.holdout.rows"] = float(holdout.rows)
    figures |= {"labels.unfit": float(found.unfit), "labels.ambiguous": float(found.ambiguous)}
    figures |= _figures(finding, primary)
    run.log_input(window.predictions, "predictions")
    run.log_metrics(figures)
    return Measurement(subject="performance", findings=(finding,), figures=figures, url=run.url)


def _figures(finding: Finding, metric: str) -> dict[str, float]:
    """Name the figures of *finding*; none if it measured none."""
    if finding.figure is None or finding.interval is None:
        return {}
    low, high = finding.interval
    name = f"performance.{metric}"
    return {name: finding.figure, f"{name}.low": low, f"{name}.high": high}
