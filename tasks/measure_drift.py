"""Measure how far served rows and predictions have moved; Evidently's report is drawn if it is needed."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.base.verdict import Finding
from regrow.data.predictions import LoggedPredictions
from regrow.data.snapshots import Snapshot
from regrow.data.windows import Window
from regrow.decisions.context import Explained
from regrow.decisions.dependence import (
    PART,
    Changed,
    compare_dependence,
    judge_dependence,
    level_of_columns,
)
from regrow.decisions.distances import Distances, measure_distances
from regrow.decisions.drift import Move, drift_share, find_drifted, judge_data_drift, judge_prediction_drift
from regrow.decisions.looks import level_of_look
from regrow.decisions.past import Past, move_of
from regrow.decisions.units import Units, units_of_logged
from regrow.inspection.sampled import sample_with_units
from regrow.lineage import RunRecord, current, step
from regrow.models.predictions import stack_predictions
from regrow.models.results import DriftFigures, Measurement, ModelFacts, figures_by_column
from regrow.models.stored import load_model
from regrow.project import Data, Monitoring, Project
from regrow.project.monitoring import DriftMethod, ReportRule
from regrow.registry import Version

FIGURES, REPORT = "drift.json", "report.html"
"""What a run keeps of a comparison: the figures always, the page of 4 MB on drift or if the file asks for it."""


def name_prediction(columns: Collection[str]) -> str:
    """Return the name of the prediction in the report: one that none of the user's *columns* has."""
    name = "(prediction)"
    while name in columns:
        name = f"({name})"
    return name


def predicted_values(predictions: NDArray[np.float64], name: str, facts: ModelFacts) -> pd.DataFrame:
    """Return what prediction drift is measured on, as column *name*.

    That is the number of a regression, the positive class's probability of two, the likeliest of several.
    """
    if facts.kind == "regression":
        values = predictions.reshape(-1)
    elif facts.kind == "binary":
        values = predictions[:, 1]
    else:
        values = np.array([str(name) for name in facts.classes])[predictions.argmax(axis=1)]
    return pd.DataFrame({name: values})


def name_figures(
    columns: Mapping[str, float],
    prediction: float | None,
    drifted: Collection[str],
    context: Collection[str] = (),
) -> dict[str, float]:
    """Name the figures as MLflow takes them: each column's as `drift.column.NAME`, apart from ours.

    Columns of *context* are not judged, so the share is of the others.
    """
    judged = [name for name in columns if name not in context]
    figures = figures_by_column("drift.column", columns)
    figures["drift.columns"] = float(sum(name in judged for name in drifted))
    figures["drift.share"] = drift_share(judged, drifted)
    return figures if prediction is None else figures | {"prediction_drift": prediction}


def predict_holdout(
    champion: Version, max_rows: int, data: Data | None
) -> tuple[pd.DataFrame, NDArray[np.float64], Units | None]:
    """Predict the champion's holdout: on the rows it was fitted to, its predictions would be too sure.

    Return its features, the predictions and the units.
    """
    model = load_model(champion.judged_uri)
    rows, units = sample_with_units(champion.facts.holdout, model.features, max_rows, data)
    return rows, model.predict(rows), units


@dataclass(frozen=True)
class Compared:
    """The distances of a window's columns from the reference, and of its predictions."""

    distances: Distances
    moves: dict[str, Move]
    """Of the columns and the predictions: how far, and how probable by chance."""
    name: str
    """What the predictions are called."""
    predicted: int
    """Rows of the window that the champion predicted."""
    explained: tuple[Explained | None, Explained | None]
    """What the context explains of the columns, and of the predictions."""
    pasts: tuple[Past, Past]
    """What the reference shows of windows like this one, and the holdout of predictions like these."""

    @property
    def told(self) -> dict[str, Move]:
        """The moves that may be called drift: none of a side of whose context too little is known."""
        silent = [bool(explained and explained.obstacle) for explained in self.explained]
        return {name: move for name, move in self.moves.items() if not silent[name == self.name]}

    @property
    def columns(self) -> dict[str, Move]:
        """The moves of the columns alone."""
        return {name: move for name, move in self.moves.items() if name != self.name}

    def dependence(self, least: float) -> Changed | str:
        """Return which correlations between columns changed by *least*; in words why nobody can tell."""
        moved = [
            name
            for name in self.distances.context
            if self.distances.values.get(name, 0.0) >= self.distances.thresholds[name]
        ]
        if moved:
            return f"{', '.join(moved)} moved, which is expected, and changes correlations by itself"
        columns = {name: binned for name, binned in self.distances.columns.items() if name != self.name}
        return compare_dependence(columns, self.pasts[0], least)

    @property
    def prediction(self) -> Move | None:
        """The move of the predictions; None if they could not be compared."""
        return self.moves.get(self.name)

    def judge(self, rows: int, rule: Monitoring, drifted: Collection[str]) -> tuple[Finding, Finding]:
        """Judge data drift over *rows* served rows, and drift of the champion's predictions; some *drifted*."""
        return (
            judge_data_drift(
                self.columns,
                drifted,
                rows,
                rule.drift,
                self.pasts[0].obstacle,
                self.explained[0],
                self.pasts[0].window,
            ),
            judge_prediction_drift(
                self.prediction,
                self.name in drifted,
                self.predicted,
                rule.prediction_drift,
                rule.drift,
                self.pasts[1].obstacle,
                self.explained[1],
                self.pasts[1].window,
            ),
        )


def compare(
    champion: Version,
    logged: LoggedPredictions,
    reference: Snapshot,
    columns: list[str],
    method: DriftMethod,
    thresholds: tuple[float, float],
    max_rows: int,
    data: Data | None = None,
    context: tuple[str, ...] = (),
) -> Compared:
    """Compare *columns* of *logged* rows with *reference*, and the champion's predictions with those on its holdout.

    *thresholds* are of a column and of the predictions; at most *max_rows* are read of each side. *data* names the
    unit; without it each row counts for itself. Columns of *context* are given, if all of them are among *columns*.
    """
    facts, name = champion.facts, name_prediction(columns)
    mine = (logged.rows["version"] == champion.number).to_numpy()
    own = logged.rows[mine]
    rows, units = sample_with_units(reference, columns, max_rows, data)
    held_out, held_out_predictions, held_out_units = predict_holdout(champion, max_rows, data)
    lacking = tuple(each for each in context if each not in columns or each not in held_out)
    asked, context = context, () if lacking else context
    served = predicted_values(stack_predictions(own["prediction"], facts), name, facts)
    beside = [*context]
    sides = (
        measure_distances(
            rows, logged.features[columns], method, dict.fromkeys(columns, thresholds[0]), context
        ),
        measure_distances(
            predicted_values(held_out_predictions, name, facts).join(held_out[beside].reset_index(drop=True)),
            served.join(logged.features.loc[mine, beside].reset_index(drop=True)),
            method,
            {name: thresholds[1]},
            context,
        ),
    )
    unit, own_unit = (
        units_of_logged(each, data.sampling_unit) if data else None for each in (logged.rows, own)
    )
    pasts = Past(units, unit), Past(held_out_units, own_unit)
    moves = {
        column: move_of(distances, past, column)
        for distances, past in zip(sides, pasts, strict=True)
        for column in distances.judged
    }
    unknown = Explained(asked, 0.0, lacking=lacking) if lacking else None
    explained = (unknown or pasts[0].explained(sides[0]), unknown or pasts[1].explained(sides[1]))
    distances = sides[0].joined(sides[1])
    return Compared(distances, moves, name, len(own), explained, pasts)


def draw_again(champion: Version, figures: DriftFigures, path: Path) -> int:
    """Write the report of *figures* to *path*; return the number of rows that the log still holds of its window."""
    logged = figures.window.read(exact=False)
    columns = [
        name
        for name in figures.window.shared_features(figures.reference)
        if name in logged.features and name in figures.columns
    ]
    thresholds = figures.threshold, figures.prediction_threshold
    method: DriftMethod = "psi" if figures.method == "psi" else "jensenshannon"
    compared = compare(
        champion,
        logged,
        figures.reference,
        columns,
        method,
        thresholds,
        figures.max_rows,
        context=figures.context,
    )
    compared.distances.save_html(path)
    return len(logged.rows)


def is_page_wanted(asked: ReportRule, findings: Sequence[Finding]) -> bool:
    """Return whether the page of 4 MB is written, as the file has *asked*: drift that lasts would fill the disk."""
    moved = [finding for finding in findings if finding.failed]
    alarming = [finding for finding in moved if not finding.noted]
    return asked == "always" or bool(moved if asked == "drift" else alarming)


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
    found = compare(
        champion,
        window.read(),
        reference,
        columns,
        rule.drift.method,
        thresholds,
        most,
        project.data,
        rule.drift.context,
    )
    level = level_of_look(project)
    drifted = find_drifted(found.told, level_of_columns(rule.drift, level))
    findings: tuple[Finding, ...] = found.judge(window.rows, rule, drifted)
    changed = None
    if rule.drift.dependence is not None and not any(name in found.columns for name in drifted):
        changed = found.dependence(rule.drift.dependence)
        findings += (judge_dependence(changed, level * PART, window.rows, rule.drift, found.pasts[0].window),)
    values = {name: value for name, value in found.distances.values.items() if name != found.name}
    prediction = found.prediction.figure if found.prediction else None
    figures = name_figures(values, prediction, drifted, found.distances.context)
    dependence = {"change": changed.figure, "doubt": changed.doubt} if isinstance(changed, Changed) else None
    if dependence:
        figures["drift.dependence"] = dependence["change"]
    kept = DriftFigures(
        champion=champion.number,
        window=window,
        reference=reference,
        method=rule.drift.method,
        threshold=rule.drift.threshold,
        prediction_threshold=rule.prediction_drift,
        max_rows=most,
        columns=values,
        prediction=prediction,
        predicted=found.predicted,
        context=rule.drift.context,
        covered=found.explained[0].covered if found.explained[0] else None,
        dependence=dependence,
        drifted=drifted,
        doubts={name: move.doubt for name, move in found.moves.items()},
        level=level,
    )
    run.log_input(window, "window")
    run.log_input(reference, "reference")
    run.log_metrics(figures)
    run.log_text(kept.model_dump_json(indent=2), FIGURES)
    page = keep_report(run, found.distances) if is_page_wanted(rule.report, findings) else None
    return Measurement(subject="drift", findings=findings, figures=figures, url=run.url, report=page)
