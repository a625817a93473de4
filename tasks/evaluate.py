"""Measure candidate, baseline and champion on the same unseen rows."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance

from regrow.base.errors import DataError, IncompatibleModel, NotExplained
from regrow.data.snapshots import write_snapshot
from regrow.decisions.estimates import estimate
from regrow.decisions.side_by_side import baseline, columns_to_judge, measure, tabulate
from regrow.decisions.units import units_of
from regrow.lineage import RunRecord, current, step
from regrow.models.comparison import WAIVE, align_classes, choose_champion, why_not_comparable
from regrow.models.metrics import (
    RANKING,
    Floats,
    Label,
    as_judged,
    score,
    sign,
)
from regrow.models.results import Candidate, Evaluation, ModelFacts, SliceMetrics
from regrow.models.stored import LoadedModel, load_model
from regrow.project import EvaluationPlan, Metric, Project, SliceGate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLE = 2000
"""Rows on which the importance of the columns is measured."""
WARM, TIMED = 20, 300
"""Single rows that are predicted before the latency is measured, and for it."""
REPEATS = 2
"""Times that each column is shuffled for it."""
MOST_COLUMNS = 200
"""Columns whose importance is measured: the time grows with their square, and 1,500 took five minutes."""


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def evaluate(
    project: Project, candidate: Candidate, champion: Candidate | None, champion_version: int | None
) -> Evaluation:
    """Measure *candidate*, a trivial baseline and *champion* on holdout rows that none of them has seen.

    A champion that these rows cannot be shown to is not measured, and the evaluation says why.
    Raises `DataError` if no such row is left, or they hold one class only.
    """
    from regrow.models import pictures

    run = current()
    run.log_input(candidate.facts.holdout, "holdout")
    model = load_model(candidate.judged_uri)
    facts, (champion_model, outdated) = model.facts, load_champion(champion)
    shown = predict_unseen(project, model, champion_model)
    frame, predictions, obstacle = shown.frame, shown.predictions, outdated or shown.obstacle
    target, thresholds = frame[project.data.target], thresholds_of(model, champion_model)
    measured = {
        name: measure(project.evaluation.all_metrics, target, prediction, facts.classes, thresholds.get(name))
        for name, prediction in predictions.items()
    }
    slices = measure_slices(
        project.evaluation, frame, target, predictions["candidate"], facts.classes, facts.threshold
    )
    figures = pictures.draw(facts.kind, target, predictions, facts.classes)
    if len(model.features) <= MOST_COLUMNS:
        importances = column_importances(project, model, frame)
        figures["importance.png"] = pictures.draw_importances(importances, project.evaluation.primary)
    else:
        run.tag(importances=f"not measured: of {len(model.features)} columns, at most {MOST_COLUMNS} are")
    if project.evaluation.explain:
        figures |= explain_holdout(run, project, model, frame)
    for name, figure in figures.items():
        run.log_figure(figure, name)
    units, primary = units_of(frame, project.data), project.evaluation.primary
    seen = as_judged(primary, predictions["candidate"], facts.threshold)
    sure = estimate(primary, target, [seen], facts.classes, units)
    errors = {} if isinstance(sure, str) else {primary: sure.error}
    costs = measure_costs(project.evaluation, model, frame)
    evaluation = Evaluation(
        candidate=candidate,
        champion_version=champion_version,
        rows=len(frame),
        metrics=measured["candidate"],
        baseline=measured["baseline"],
        champion=measured.get("champion"),
        champion_obstacle=obstacle and f"champion {champion_version} cannot be compared: {obstacle}",
        champion_remark=shown.remark,
        thresholds=thresholds,
        slices=slices,
        predictions=write_snapshot(
            tabulate(target, predictions, facts.kind).assign(**columns_to_judge(project, frame, units))
        ),
        errors=errors,
        costs=costs,
    )
    uncertain = {f"{metric}_error": error for metric, error in errors.items()}
    run.log_metrics(flatten(measured) | uncertain | costs | {"rows": len(frame), "units": units.count})
    run.log_text(evaluation.model_dump_json(indent=2, include={"metrics", "slices", "rows"}), "slices.json")
    return evaluation


def load_champion(champion: Candidate | None) -> tuple[LoadedModel | None, str]:
    """Return the model of *champion*, or why the libraries that are installed do not load it and what to do."""
    if champion is None:
        return None, ""
    try:
        return load_model(champion.uri), ""
    except IncompatibleModel as error:
        return None, f"{error}; or {WAIVE}"


@dataclass(frozen=True)
class Shown:
    """The held-out rows that were shown to the models, and what each predicted of them."""

    frame: pd.DataFrame
    predictions: dict[str, Floats]
    """By the name of the model: `candidate`, `baseline` and, if it can be compared, `champion`."""
    obstacle: str = ""
    """Why the champion's are not among them, if they are not."""
    remark: str = ""
    """Which of the champion's models was compared, if it is not the one that serves."""


def predict_unseen(project: Project, model: LoadedModel, champion: LoadedModel | None) -> Shown:
    """Predict the holdout rows of *model* that *champion* has not seen, by each model and the baseline."""
    facts, frame, obstacle, remark = model.facts, model.facts.holdout.read(), "", ""
    if champion:
        obstacle = why_not_comparable(project.data, champion, facts, frame)
        if not obstacle:
            champion, frame, remark = choose_champion(project, champion, frame)
    predictions = {
        "candidate": model.predict(frame),
        "baseline": predict_baseline(project, facts, len(frame)),
    }
    if champion and not obstacle:
        try:
            answered = champion.predict(frame)
            predictions["champion"] = align_classes(answered, champion.facts.classes, facts.classes)
        except DataError as error:  # Its columns are there, in types that it does not take any more.
            obstacle = f"{error}, or {WAIVE}"
    return Shown(frame, predictions, obstacle, remark)


def thresholds_of(model: LoadedModel, champion: LoadedModel | None) -> dict[str, float]:
    """Return the threshold of each model that has one, by its name in the evaluation."""
    models = {"candidate": model} | ({"champion": champion} if champion else {})
    return {name: each.facts.threshold for name, each in models.items() if each.facts.threshold is not None}


def predict_baseline(project: Project, facts: ModelFacts, rows: int) -> Floats:
    """Predict *rows* by scikit-learn's Dummy of the training target: its mean, or its classes' shares."""
    target = facts.training.read([project.data.target])[project.data.target]
    return baseline(target, facts.classes, rows)


def measure_slices(
    plan: EvaluationPlan,
    frame: pd.DataFrame,
    target: pd.Series,
    prediction: Floats,
    classes: Sequence[Label],
    threshold: float | None = None,
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
            measured = {
                m: _score(m, target.iloc[rows], as_judged(m, prediction[rows], threshold), classes)
                for m in metrics
            }
            defined = {m: figure for m, figure in measured.items() if figure is not None}
            parts.append(SliceMetrics(column=column, value=str(value), rows=len(rows), metrics=defined))
    return tuple(parts)


def _score(metric: Metric, target: pd.Series, prediction: Floats, classes: Sequence[Label]) -> float | None:
    """Return *metric*, or None if it is undefined on these rows."""
    try:
        return score(metric, target, prediction, classes)
    except DataError:
        return None


def _defined(metrics: Sequence[Metric], target: pd.Series, classes: Sequence[Label]) -> list[Metric]:
    """Leave the metrics that *target*'s classes define."""
    whole = target.nunique() == len(classes)
    return [metric for metric in metrics if metric not in RANKING or whole]


def column_importances(project: Project, model: LoadedModel, frame: pd.DataFrame) -> pd.DataFrame:
    """Measure by how much the primary metric gets worse when one column of a sample of *frame* is shuffled.

    A row for each column of the model, the least important first: the mean over `REPEATS` draws and its spread.
    """
    metric, facts, seed = project.evaluation.primary, model.facts, project.training.seed
    sample = frame.sample(min(SAMPLE, len(frame)), random_state=seed)
    if not _defined([metric], sample[project.data.target], facts.classes):
        sample = frame

    def goodness(_: object, features: pd.DataFrame, target: pd.Series) -> float:
        prediction = as_judged(metric, model.predict(features), facts.threshold)
        return sign(metric) * score(metric, target, prediction, facts.classes)

    found = permutation_importance(
        model.pipeline, sample[model.features], sample[project.data.target], scoring=goodness,
        n_repeats=REPEATS, random_state=seed,
    )  # fmt: skip
    figures = {"mean": found["importances_mean"], "spread": found["importances_std"]}
    return pd.DataFrame(figures, index=model.features).sort_values("mean", kind="stable")


def explain_holdout(
    run: RunRecord, project: Project, model: LoadedModel, frame: pd.DataFrame
) -> "dict[str, Figure]":
    """Log which columns the predictions of *frame* come from, over all rows and by slice; return the picture of it.

    A model that is not explained is no worse for it: why stands in a tag of the *run*.
    """
    from regrow.models import pictures
    from regrow.models.explaining.summary import summarise

    try:
        summary = summarise(model, frame, project.evaluation.slices, project.training.seed)
    except NotExplained as error:
        run.tag(attributions=f"not made: {error}")
        return {}
    run.log_text(summary.write(), "attributions.json")
    run.tag(attributions="; ".join(filter(None, [f"way: {summary.method}", summary.remark])))
    return {"attributions.png": pictures.draw_attributions(summary)}


def measure_costs(plan: EvaluationPlan, model: LoadedModel, frame: pd.DataFrame) -> dict[str, float]:
    """Measure what gates ask of *model* itself: `latency_ms` of a single row of *frame*, `size_mb` of its files."""
    asked, costs = {gate.kind for gate in plan.gates}, dict[str, float]()
    if "latency" in asked:
        seconds: list[float] = []
        for place in range(WARM + TIMED):
            row = frame.iloc[[place % len(frame)]]
            began = time.perf_counter()
            model.predict(row)
            seconds.append(time.perf_counter() - began)
        costs["latency_ms"] = float(np.quantile(seconds[WARM:], 0.99) * 1000)
    if "size" in asked and model.folder is not None:
        files = [path for path in model.folder.rglob("*") if path.is_file()]
        costs["size_mb"] = sum(path.stat().st_size for path in files) / 1e6
    return costs


def flatten(measured: dict[str, dict[str, float]]) -> dict[str, float]:
    """Name the metrics for MLflow: the candidate's plainly, the others' with a prefix."""
    return {
        metric if model == "candidate" else f"{model}_{metric}": figure
        for model, metrics in measured.items()
        for metric, figure in metrics.items()
    }
