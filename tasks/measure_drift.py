"""Measure how far served rows and predictions have moved; Evidently's report is drawn if it is needed."""

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.data.predictions import LoggedPredictions
from regrow.data.reference import sample_snapshot
from regrow.data.snapshots import Snapshot
from regrow.data.windows import Window
from regrow.decisions.distances import Distances, measure_distances
from regrow.decisions.drift import drift_share, drifted_columns, judge_data_drift, judge_prediction_drift
from regrow.lineage import RunRecord, current, step
from regrow.models.predictions import stack_predictions
from regrow.models.stored import load_model
from regrow.project import Monitoring, Project
from regrow.project.monitoring import DriftMethod
from regrow.registry import Version
from regrow.results import DriftFigures, Measurement, ModelFacts, figures_by_column
from regrow.verdict import Finding

FIGURES, REPORT = "drift.json", "report.html"
"""What a run keeps of a comparison: the figures always, the page of 4 MB on an alarm or if the file asks for it."""


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
    model = load_model(champion.judged_uri)
    return model.predict(sample_snapshot(champion.facts.holdout, model.features, max_rows))


@dataclass(frozen=True)
class Compared:
    """The distances of a window's columns from the reference, and of its predictions."""

    distances: Distances
    columns: dict[str, float]
    prediction: float | None
    predicted: int
    """Rows of the window that the champion predicted."""


def compare(
    champion: Version,
    logged: LoggedPredictions,
    reference: Snapshot,
    columns: list[str],
    method: DriftMethod,
    thresholds: tuple[float, float],
    max_rows: int,
) -> Compared:
    """Compare *columns* of *logged* rows with *reference*, and the champion's predictions with those on its holdout.

    *thresholds*, of a column and of the predictions, only colour the report; at most *max_rows* are read of each side.
    """
    facts, name = champion.facts, name_prediction(columns)
    own = logged.rows.loc[logged.rows["version"] == champion.number, "prediction"]
    rows = sample_snapshot(reference, columns, max_rows)
    distances = measure_distances(
        with_predictions(rows, predict_holdout(champion, max_rows), name, facts),
        with_predictions(logged.features[columns], stack_predictions(own, facts), name, facts),
        method,
        dict.fromkeys(columns, thresholds[0]) | {name: thresholds[1]},
    )
    values = distances.values
    moved = {column: values[column] for column in columns if column in values}
    return Compared(distances, moved, values.get(name), len(own))


def draw_again(champion: Version, figures: DriftFigures, path: Path) -> int:
    """Write the report of *figures* to *path*; return the number of rows that the log still holds of its window."""
    logged = figures.window.read(exact=False)
    columns = [
        name
        for name in figures.window.shared_features(figures.reference)
        if name in logged.features and name in figures.columns
    ]
    thresholds = figures.threshold, figures.prediction_threshold
    compared = compare(
        champion, logged, figures.reference, columns, figures.method, thresholds, figures.max_rows
    )
    compared.distances.save_html(path)
    return len(logged.rows)


def keep_report(run: RunRecord, distances: Distances) -> str | None:
    """Keep the report of *distances* on *run*; return its page, None if MLflow is used without a server."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, REPORT)
        distances.save_html(report)
        run.log_artifact(report)
    run.tag(report=REPORT)
    return f"{run.url}/artifacts/{REPORT}" if run.url else None


@step(retries=2, retry_delay_seconds=[5, 30])
def measure_drift(project: Project, champion: Version, window: Window) -> Measurement:
    """Compare *window* with the champion's reference rows, and its predictions with those on its holdout."""
    run, rule = current(), project.monitoring
    reference = champion.facts.reference(rule.reference)
    thresholds, most = (rule.drift.threshold, rule.prediction_drift), rule.drift.max_rows
    columns = window.shared_features(reference)
    found = compare(champion, window.read(), reference, columns, rule.drift.method, thresholds, most)
    findings = judge_distances(found.columns, found.prediction, window.rows, found.predicted, rule)
    figures = name_figures(found.columns, found.prediction, rule)
    kept = DriftFigures(
        champion=champion.number,
        window=window,
        reference=reference,
        method=rule.drift.method,
        threshold=rule.drift.threshold,
        prediction_threshold=rule.prediction_drift,
        max_rows=most,
        columns=found.columns,
        prediction=found.prediction,
        predicted=found.predicted,
    )
    run.log_input(window, "window")
    run.log_input(reference, "reference")
    run.log_metrics(figures)
    run.log_text(kept.model_dump_json(indent=2), FIGURES)
    alarmed = any(finding.failed for finding in findings)
    page = keep_report(run, found.distances) if alarmed or rule.report == "always" else None
    return Measurement(subject="drift", findings=findings, figures=figures, url=run.url, report=page)
