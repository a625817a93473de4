"""Measure the champion on the labels that have matured."""

import math
from datetime import datetime

import pandas as pd

from regrow.data.labels import join_labels, read_labels
from regrow.decisions.performance import Holdout, judge_performance
from regrow.lineage import current, step
from regrow.models.predictions import encode_labels, stack_predictions
from regrow.project import Project
from regrow.registry import Version
from regrow.results import Measurement, Window
from regrow.verdict import Finding


def label_rows(served: pd.DataFrame, labels: pd.DataFrame, version: int) -> pd.DataFrame:
    """Give *version*'s rows of *served* that have a label of their own, or are the last of an entity that has one."""
    own = served[served["version"] == version].sort_values(["served_at", "prediction_id"])
    last = ~own["entity_id"].duplicated(keep="last") & own["entity_id"].notna()
    return join_labels(own[last | own["prediction_id"].isin(labels["prediction_id"])], labels)


@step(retries=2, retry_delay_seconds=[5, 30])
def measure_performance(project: Project, champion: Version, window: Window, as_of: datetime) -> Measurement:
    """Judge the champion's metrics on the rows of *window* whose labels were known at *as_of*."""
    run, facts = current(), champion.facts
    columns = ["prediction_id", "entity_id", "served_at", "version", "prediction"]
    rows = label_rows(window.predictions.read(columns), read_labels(project.name, as_of), champion.number)
    target, prediction = encode_labels(rows["label"], facts), stack_predictions(rows["prediction"], facts)
    primary = project.evaluation.primary
    holdout = Holdout(primary, champion.metrics.get(primary, math.nan), facts.holdout.rows, facts.classes)
    finding = judge_performance(target, prediction, holdout, project.monitoring.performance)
    figures = {"performance.labels": float(len(rows)), "performance.holdout": holdout.figure}
    figures |= _figures(finding, primary)
    run.log_input(window.predictions, "predictions")
    run.log_metrics(figures)
    return Measurement(findings=(finding,), figures=figures, url=run.url)


def _figures(finding: Finding, metric: str) -> dict[str, float]:
    """Name the figures of *finding*, where it concluded anything."""
    if finding.figure is None or finding.interval is None:
        return {}
    low, high = finding.interval
    name = f"performance.{metric}"
    return {name: finding.figure, f"{name}.low": low, f"{name}.high": high}
