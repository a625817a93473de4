"""Measure candidate, baseline and champion on the same unseen rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.dummy import DummyClassifier, DummyRegressor

from regrow.errors import DataError
from regrow.figures import draw_binary, draw_importance, draw_regression
from regrow.lineage import current, step
from regrow.metrics import RANKING, Floats, Label, encode, require_classes, score, sign, to_column
from regrow.models import LoadedModel, load_model
from regrow.project import EvaluationPlan, Metric, Project, SliceGate
from regrow.results import Candidate, Evaluation, Kind, SliceMetrics
from regrow.snapshots import Snapshot, write_snapshot

SAMPLE = 2000
"""Rows on which the importance of the columns is measured."""
REPEATS = 2
"""Times that each column is shuffled for it."""


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def evaluate(
    project: Project, candidate: Candidate, champion: Candidate | None, champion_version: int | None
) -> Evaluation:
    """Measure *candidate*, a trivial baseline and *champion* on holdout rows that no one of them has seen.

    Raises `DataError` where no such row is left, or they hold one class only.
    """
    run = current()
    run.log_input(candidate.facts.holdout, "holdout")
    frame = unseen_rows(
        project, candidate.facts.holdout.read(), champion.facts.training if champion else None
    )
    model = load_model(candidate.uri)
    predictions = {
        "candidate": model.predict(frame),
        "baseline": predict_baseline(project, candidate, len(frame)),
    }
    if champion:
        predictions["champion"] = load_model(champion.uri).predict(frame)
    facts, target = candidate.facts, frame[project.data.target]
    measured = {
        name: measure(project.evaluation.all_metrics, target, prediction, facts.classes)
        for name, prediction in predictions.items()
    }
    slices = measure_slices(project.evaluation, frame, target, predictions["candidate"], facts.classes)
    figures = draw(facts.kind, target, predictions, facts.classes)
    figures["importance.png"] = draw_importances(project, model, frame)
    for name, figure in figures.items():
        run.log_figure(figure, name)
    evaluation = Evaluation(
        candidate=candidate,
        champion_version=champion_version,
        rows=len(frame),
        metrics=measured["candidate"],
        baseline=measured["baseline"],
        champion=measured.get("champion"),
        slices=slices,
        predictions=write_snapshot(tabulate(target, predictions, facts.kind)),
    )
    run.log_metrics(flatten(measured) | {"rows": len(frame)})
    run.log_text(evaluation.model_dump_json(indent=2, include={"metrics", "slices", "rows"}), "slices.json")
    return evaluation


def unseen_rows(project: Project, holdout: pd.DataFrame, training: Snapshot | None) -> pd.DataFrame:
    """Leave the rows of *holdout* that are not in the champion's *training* rows."""
    if training is None:
        return holdout
    columns = [project.data.id] if project.data.id else [name for name in holdout if name in training.columns]
    seen = training.read([str(name) for name in columns])
    frame = exclude(holdout, seen, [str(name) for name in columns])
    if frame.empty:
        raise DataError(
            f"{project.path}: the champion was trained on all {len(holdout)} holdout rows, so nothing "
            "compares it with the candidate; wait for newer rows, or split by time"
        )
    return frame


def exclude(frame: pd.DataFrame, seen: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Leave the rows of *frame* that do not equal one of *seen* in *columns*."""
    mine = pd.util.hash_pandas_object(frame[list(columns)], index=False)
    theirs = pd.util.hash_pandas_object(seen[list(columns)], index=False)
    return frame[~mine.isin(theirs).to_numpy()].reset_index(drop=True)


def predict_baseline(project: Project, candidate: Candidate, rows: int) -> Floats:
    """Predict *rows* by scikit-learn's Dummy of the training target: its mean, or its classes' shares."""
    target = candidate.facts.training.read([project.data.target])[project.data.target]
    return baseline(target, candidate.facts.classes, rows)


def baseline(target: pd.Series, classes: Sequence[Label], rows: int) -> Floats:
    """Fit a Dummy to *target* and predict *rows* rows."""
    blank = np.zeros((len(target), 1))
    if not classes:
        return np.asarray(DummyRegressor().fit(blank, target).predict(np.zeros((rows, 1))), dtype=np.float64)
    codes = encode(target, classes)
    require_classes(codes, classes, "training")
    dummy = DummyClassifier(strategy="prior").fit(blank, codes)
    return np.asarray(dummy.predict_proba(np.zeros((rows, 1))), dtype=np.float64)


def measure(
    metrics: Sequence[Metric], target: pd.Series, prediction: Floats, classes: Sequence[Label]
) -> dict[str, float]:
    """Give every metric of one model; a classifier needs a row of every class."""
    if classes:
        require_classes(encode(target, classes), classes, "evaluation")
    return {metric: score(metric, target, prediction, classes) for metric in metrics}


def measure_slices(
    plan: EvaluationPlan, frame: pd.DataFrame, target: pd.Series, prediction: Floats, classes: Sequence[Label]
) -> tuple[SliceMetrics, ...]:
    """Measure the rows of each value of each slice column; a metric that they leave undefined is left out."""
    gated = [gate.column for gate in plan.gates if isinstance(gate, SliceGate)]
    columns = list(dict.fromkeys((*plan.slices, *gated)))
    missing = [column for column in columns if column not in frame]
    if missing:
        raise DataError(
            f"evaluation.slices: {', '.join(missing)} not in the data; correct the name, or the source"
        )
    parts: list[SliceMetrics] = []
    for column in columns:
        for value, rows in frame.groupby(column, sort=True).indices.items():
            metrics = _defined(plan.all_metrics, target.iloc[rows], classes)
            measured = {m: score(m, target.iloc[rows], prediction[rows], classes) for m in metrics}
            parts.append(SliceMetrics(column=column, value=str(value), rows=len(rows), metrics=measured))
    return tuple(parts)


def _defined(metrics: Sequence[Metric], target: pd.Series, classes: Sequence[Label]) -> list[Metric]:
    """Leave the metrics that *target*'s classes define."""
    whole = target.nunique() == len(classes)
    return [metric for metric in metrics if metric not in RANKING or whole]


def tabulate(target: pd.Series, predictions: dict[str, Floats], kind: Kind) -> pd.DataFrame:
    """Lay the target and each model's predictions side by side."""
    columns = {name: to_column(prediction, kind) for name, prediction in predictions.items()}
    return pd.DataFrame({"target": target.to_numpy(), **columns})


def draw(
    kind: Kind, target: pd.Series, predictions: dict[str, Floats], classes: Sequence[Label]
) -> dict[str, Figure]:
    """Draw what fits the kind of model."""
    shown = {name: prediction for name, prediction in predictions.items() if name != "baseline"}
    if kind == "binary":
        return draw_binary(encode(target, classes), shown)
    return draw_regression(target.to_numpy(dtype=np.float64), shown) if kind == "regression" else {}


def draw_importances(project: Project, model: LoadedModel, frame: pd.DataFrame) -> Figure:
    """Shuffle one column after the other, on a sample of *frame*, and draw what that costs the metric."""
    metric, classes = project.evaluation.primary, model.facts.classes
    sample = frame.sample(min(SAMPLE, len(frame)), random_state=project.training.seed)
    target = sample[project.data.target]
    if not _defined([metric], target, classes):
        sample, target = frame, frame[project.data.target]
    random = np.random.default_rng(project.training.seed)
    whole = score(metric, target, model.predict(sample), classes)
    drops = np.empty((len(model.features), REPEATS))
    copies = pd.concat(
        [sample] * REPEATS, ignore_index=True
    )  # One prediction for all: its cost is nearly fixed.
    for place, column in enumerate(model.features):
        order = np.concatenate([random.permutation(len(sample)) for _ in range(REPEATS)])
        shuffled = copies.assign(**{column: sample[column].array.take(order)})
        for repeat, prediction in enumerate(np.split(model.predict(shuffled), REPEATS)):
            drops[place, repeat] = sign(metric) * (whole - score(metric, target, prediction, classes))
    return draw_importance(model.features, drops, metric)


def flatten(measured: dict[str, dict[str, float]]) -> dict[str, float]:
    """Name the metrics for MLflow: the candidate's plainly, the others' with a prefix."""
    return {
        metric if model == "candidate" else f"{model}_{metric}": figure
        for model, metrics in measured.items()
        for metric, figure in metrics.items()
    }
