"""Fit preprocessing and estimator as one pipeline and log it, signed, to MLflow."""

import hashlib
import tempfile
from pathlib import Path

import pandas as pd
from sklearn.base import is_regressor

from regrow.base import provenance
from regrow.data.sources import feature_columns
from regrow.lineage import current, step
from regrow.lineage.candidates import find_again, log_candidate, take_window
from regrow.models.fitted import packages_of
from regrow.models.metrics import kind_of_classes
from regrow.models.recipe import columns_with_gaps, fit_recipe
from regrow.models.results import Candidate, ModelFacts, Parts
from regrow.models.stored import describe_stored, own_files
from regrow.models.training_rows import best_of, try_windows
from regrow.project import Project
from regrow.project.estimators import build_estimator
from regrow.project.imports import code_name, hook_file
from regrow.project.metrics import check_metric, is_own
from regrow.project.training import TrainingWindow, TunedThreshold


def recipe_of(project: Project, parts: Parts) -> str:
    """Hash all that determines the fit, and the share that is held back, which the model keeps for the server."""
    ingredients = [
        project.name, project.data.model_dump_json(), project.training.model_dump_json(),
        parts.training.digest, parts.holdout.digest, provenance.code_digest(), provenance.environment_digest(),
        *(code_name(file) for file in own_files(project)), *_sought(project),
        str(project.deployment.hold_back),
    ]  # fmt: skip
    return hashlib.sha256("\n".join(ingredients).encode()).hexdigest()


def check_metrics(project: Project, target: pd.Series) -> None:
    """Raise `ProjectError` if a metric of *project* does not measure a model of *target*'s classes, before the fit."""
    estimator = build_estimator(project.training, project.path)
    kind = "regression" if is_regressor(estimator) else kind_of_classes(target.nunique())
    for key, metric in project.metrics.items():
        check_metric(metric, kind, f"{project.path}: {key}")


def _sought(project: Project) -> list[str]:
    """Return the metrics that windows, a search and a threshold choose by, and the code of the team's own ones."""
    chooses = project.training.windows or project.training.search
    metrics = [project.evaluation.primary] if chooses else []
    if isinstance(project.training.threshold, TunedThreshold):
        metrics.append(project.training.threshold.metric)
    own = [code_name(hook_file(project.path, metric[1:])) for metric in metrics if is_own(metric)]
    return [*metrics, *own]


def choose_window(
    project: Project, parts: Parts, frame: pd.DataFrame, names: list[str]
) -> TrainingWindow | None:
    """Return the window whose model is best on the newest rows of *frame*, which trains; None if the file names none.

    The holdout is not looked at, so that its figures are nobody's choice. Each trial is a run of its own.
    """
    holdout, metric, run = parts.holdout, project.evaluation.primary, current()
    if not project.training.windows or holdout.start is None or holdout.end is None:
        return None
    trials = try_windows(project, frame, names, holdout.end - holdout.start)
    for number, trial in enumerate(trials):
        told = {
            "window": trial.window,
            "rows": trial.rows,
            **({"problem": trial.problem} if trial.problem else {}),
        }
        run.child(f"window-{number}", told, {} if trial.score is None else {metric: trial.score})
    best = best_of(trials, metric)
    run.log_params({"window": best.window})
    if best.score is None:
        run.tag(windows=f"none could be measured, the first was taken: {best.problem}")
    return best.window


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def fit(project: Project, parts: Parts) -> Candidate:
    """Fit on the training part; a recipe that has given a finished model gives that model again."""
    run, recipe, data = current(), recipe_of(project, parts), project.data
    run.log_input(parts.training, "training")
    run.log_params(
        {"estimator": project.training.estimator, "seed": project.training.seed, "recipe": recipe[:36]}
    )
    if found := find_again(run, recipe):
        return found
    frame = parts.training.read()
    names = feature_columns(project, list(frame.columns))
    check_metrics(project, frame[data.target])
    window = choose_window(project, parts, frame, names)
    frame, training = take_window(run, parts.training, frame, window, data.timestamp, parts.known.end)
    fitted = fit_recipe(project, window, frame, names, columns_with_gaps(parts.holdout.read(names)))
    for number, (params, value) in enumerate(fitted.trials):
        run.child(f"trial-{number}", dict(params), {"score": value})
    facts = ModelFacts(
        project=project.name, kind=fitted.kind, classes=fitted.classes, id=data.id,
        timestamp=data.timestamp, entity=data.entity,
        training=training, holdout=parts.holdout, window=window,
        code=tuple(map(code_name, own_files(project))), trust=project.training.trust,
        threshold=fitted.threshold, chosen=fitted.chosen,
        libraries=provenance.library_versions(packages_of(fitted.pipeline)),
        trust_versions=project.training.trust_versions, hold_back=project.deployment.hold_back,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        stored = describe_stored(
            project, fitted.pipeline, fitted.contract.columns, fitted.features, facts, Path(folder)
        )
        return log_candidate(run, facts, recipe, stored)
