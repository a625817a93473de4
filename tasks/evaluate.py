"""Measure candidate, baseline and champion on the same unseen rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pandas.api.types import is_numeric_dtype
from sklearn.dummy import DummyClassifier, DummyRegressor

from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.data.sources import as_names
from regrow.errors import DataError
from regrow.figures import draw_binary, draw_importance, draw_regression
from regrow.lineage import current, step
from regrow.models.metrics import RANKING, Floats, Label, encode, require_classes, score, sign
from regrow.models.predictions import to_column
from regrow.models.stored import LoadedModel, load_model
from regrow.project import Data, EvaluationPlan, GroupSplit, Metric, Project, SliceGate
from regrow.results import Candidate, Evaluation, Kind, ModelFacts, SliceMetrics

WAIVE = "let the candidate pass without the comparison: `regrow train --override REASON`"
SAMPLE = 2000
"""Rows on which the importance of the columns is measured."""
REPEATS = 2
"""Times that each column is shuffled for it."""


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def evaluate(
    project: Project, candidate: Candidate, champion: Candidate | None, champion_version: int | None
) -> Evaluation:
    """Measure *candidate*, a trivial baseline and *champion* on holdout rows that none of them has seen.

    A champion that these rows cannot be shown to is not measured, and the evaluation says why.
    Raises `DataError` if no such row is left, or they hold one class only.
    """
    run = current()
    run.log_input(candidate.facts.holdout, "holdout")
    frame, facts = candidate.facts.holdout.read(), candidate.facts
    rival, obstacle = None, ""
    if champion:
        rival = load_model(champion.uri)
        obstacle = why_not_comparable(rival, facts, frame) or why_seen_is_unknown(project.data, rival.facts)
    if rival and not obstacle:
        frame = unseen_rows(project, frame, rival.facts.training)
    model = load_model(candidate.uri)
    predictions = {
        "candidate": model.predict(frame),
        "baseline": predict_baseline(project, candidate, len(frame)),
    }
    if rival and not obstacle:
        predictions["champion"] = align_classes(rival.predict(frame), rival.facts.classes, facts.classes)
    target = frame[project.data.target]
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
        champion_obstacle=obstacle,
        slices=slices,
        predictions=write_snapshot(tabulate(target, predictions, facts.kind)),
    )
    run.log_metrics(flatten(measured) | {"rows": len(frame)})
    run.log_text(evaluation.model_dump_json(indent=2, include={"metrics", "slices", "rows"}), "slices.json")
    return evaluation


def why_not_comparable(champion: LoadedModel, candidate: ModelFacts, frame: pd.DataFrame) -> str:
    """Return why *champion* cannot be measured on the rows of *frame* beside *candidate*, and what to do; else nothing.

    A class that only the candidate knows is no obstacle: the champion gives it no probability.
    """
    facts = champion.facts
    if "regression" in {facts.kind, candidate.kind} and facts.kind != candidate.kind:
        return f"its kind is {facts.kind}, the candidate's {candidate.kind}; {WAIVE}"
    lost = [repr(label) for label in facts.classes if label not in candidate.classes]
    if lost:
        classes = f"class{'es' if len(lost) > 1 else ''} {', '.join(lost)}"
        return (
            f"it knows the {classes}, which the candidate does not; train on rows that have them, or {WAIVE}"
        )
    gone = [f"`{column}`" for column in champion.features if column not in frame]
    if gone:
        columns = f"column{'s' if len(gone) > 1 else ''} {', '.join(gone)}"
        return (
            f"it takes the {columns}, which the rows do not have; keep the old columns beside the new ones until the "
            f"champion is replaced, or {WAIVE}"
        )
    return ""


def why_seen_is_unknown(data: Data, champion: ModelFacts) -> str:
    """Return why nobody knows which of the groups *champion* was trained on, if a split by groups needs it."""
    split = data.splitting
    if not isinstance(split, GroupSplit) or split.column in champion.training.columns:
        return ""
    return f"its training rows have no `{split.column}`, so nobody knows which groups it has seen; {WAIVE}"


def align_classes(prediction: Floats, classes: Sequence[Label], wanted: Sequence[Label]) -> Floats:
    """Put the probabilities of *classes* under the *wanted* ones: a class that is not predicted gets none."""
    if tuple(classes) == tuple(wanted):
        return prediction
    aligned = np.zeros((len(prediction), len(wanted)))
    aligned[:, [list(wanted).index(label) for label in classes]] = prediction
    return aligned


def unseen_rows(project: Project, holdout: pd.DataFrame, training: Snapshot | None) -> pd.DataFrame:
    """Leave the rows of *holdout* that the champion's *training* rows do not give away.

    Those are the rows themselves, known by their id or else by their content; if the split is by groups, also the
    rows of the same groups. Raises `DataError` if none is left.
    """
    if training is None:
        return holdout
    frame = holdout
    for columns in _telling_columns(project.data, list(holdout), list(training.columns)):
        frame = exclude(frame, training.read(columns), columns)
    if frame.empty:
        split = project.data.splitting
        groups = f", or on their `{split.column}`" if isinstance(split, GroupSplit) else ""
        raise DataError(
            f"{project.path}: the champion was trained on all {len(holdout)} holdout rows{groups}, so nothing "
            "compares it with the candidate; wait for newer rows, or split by time"
        )
    return frame


def _telling_columns(data: Data, held: list[str], trained: list[str]) -> list[list[str]]:
    """Return each set of columns in which a holdout row must differ from every training row."""
    shared = [name for name in held if name in trained]
    row = [data.id] if data.id in shared else shared
    split = data.splitting
    return [[split.column], row] if isinstance(split, GroupSplit) else [row]


def exclude(frame: pd.DataFrame, seen: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Leave the rows of *frame* that do not equal one of *seen* in *columns*, in whatever types these are stored."""
    pairs = {column: _same_type(frame[column], seen[column]) for column in columns}
    mine = pd.DataFrame({column: own for column, (own, _) in pairs.items()})
    theirs = pd.DataFrame({column: other for column, (_, other) in pairs.items()})
    hashes = pd.util.hash_pandas_object(mine, index=False)
    known = hashes.isin(pd.util.hash_pandas_object(theirs, index=False))
    return frame[~known.to_numpy()].reset_index(drop=True)


def _same_type(one: pd.Series, other: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Give two columns one type, so that equal values are equal: numbers, else text."""
    if one.dtype == other.dtype:
        return one, other
    if all(is_numeric_dtype(each) for each in (one, other)):
        return one.astype(np.float64), other.astype(np.float64)
    return as_names(one), as_names(other)


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
