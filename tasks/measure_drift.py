"""Measure how far served rows and predictions have moved, and render Evidently's report."""

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.data.reference import sample_snapshot
from regrow.decisions.distances import measure_distances
from regrow.decisions.drift import drift_share, drifted_columns, judge_data_drift, judge_prediction_drift
from regrow.lineage import current, step
from regrow.models.predictions import stack_predictions
from regrow.models.stored import load_model
from regrow.project import Monitoring, Project
from regrow.registry import Version
from regrow.results import Measurement, ModelFacts, Window, figures_by_column
from regrow.verdict import Finding


def name_prediction(columns: Collection[str]) -> str:
    """Return the name of the prediction in the report: one that none of the user's *columns* has."""
    name = "(prediction)"
    while name in columns:
        name = f"({name})"
    return name


def with_predictions(
    features: pd.DataFrame, predictions: NDArray[np.float64], name: str, facts: ModelFacts
) -> pd.DataFrame:
    """Put what prediction drift is measured on beside *features*, as column *name*.

    That is the number of a regression, the positive class's probability of two, the likeliest of several.
    The shorter side ends in missing values: columns are compared one by one, rows need not belong together.
    """
    if facts.kind == "regression":
        values = pd.Series(predictions.reshape(-1))
    elif facts.kind == "binary":
        values = pd.Series(predictions[:, 1])
    else:
        values = pd.Series(np.array([str(name) for name in facts.classes])[predictions.argmax(axis=1)])
    return pd.concat([features.reset_index(drop=True), values.rename(name)], axis=1)


def judge_distances(
    columns: Mapping[str, float], prediction: float | None, rows: int, predicted: int, rule: Monitoring
) -> tuple[Finding, Finding]:
    """Judge data drift over *rows* served rows, and drift of the champion's *predicted* ones."""
    return (
        judge_data_drift(columns, rows, rule.drift),
        judge_prediction_drift(prediction, predicted, rule.prediction_drift, rule.drift),
    )


def name_figures(
    columns: Mapping[str, float], prediction: float | None, rule: Monitoring
) -> dict[str, float]:
    """Name the figures as MLflow takes them: each column's as `drift.column.NAME`, apart from ours."""
    figures = figures_by_column("drift.column", columns)
    figures["drift.columns"] = float(len(drifted_columns(columns, rule.drift)))
    figures["drift.share"] = drift_share(columns, rule.drift)
    return figures if prediction is None else figures | {"prediction_drift": prediction}


def predict_holdout(champion: Version, max_rows: int) -> NDArray[np.float64]:
    """Predict the champion's holdout: on the rows it was fitted to, its predictions would be too sure."""
    model = load_model(f"models:/{champion.model_id}")
    return model.predict(sample_snapshot(champion.facts.holdout, model.features, max_rows))


@step(retries=2, retry_delay_seconds=[5, 30])
def measure_drift(project: Project, champion: Version, window: Window) -> Measurement:
    """Compare *window* with the champion's reference rows, and its predictions with those on its holdout."""
    run, rule, facts = current(), project.monitoring, champion.facts
    snapshot = facts.reference(rule.reference)
    columns = window.shared_features(snapshot)
    served = window.predictions.read(["version", "prediction"])
    own = served.loc[served["version"] == champion.number, "prediction"]
    name = name_prediction(columns)
    rows = sample_snapshot(snapshot, columns, rule.drift.max_rows)
    reference = with_predictions(rows, predict_holdout(champion, rule.drift.max_rows), name, facts)
    watched = with_predictions(window.features.read(columns), stack_predictions(own, facts), name, facts)
    thresholds = dict.fromkeys(columns, rule.drift.threshold) | {name: rule.prediction_drift}
    distances = measure_distances(reference, watched, rule.drift.method, thresholds)
    moved = {column: distances.values[column] for column in columns if column in distances.values}
    prediction = distances.values.get(name)
    findings = judge_distances(moved, prediction, window.predictions.rows, len(own), rule)
    figures = name_figures(moved, prediction, rule)
    run.log_input(window.features, "window")
    run.log_input(snapshot, "reference")
    run.log_metrics(figures)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.html")
        distances.save_html(report)
        run.log_artifact(report)
    page = f"{run.url}/artifacts/report.html" if run.url else None
    return Measurement(subject="drift", findings=findings, figures=figures, url=run.url, report=page)
