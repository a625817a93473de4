"""Fit preprocessing and estimator as one pipeline and log it, signed, to MLflow."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any, cast

import mlflow.sklearn as sklearn_flavor
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.models import Model
from numpy.typing import NDArray
from sklearn.base import is_regressor
from sklearn.experimental import (
    enable_halving_search_cv,  # noqa: F401  # pyright: ignore[reportUnusedImport] (it makes the next import work)
)
from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV, TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from regrow import provenance
from regrow.data.sources import feature_columns
from regrow.errors import DataError
from regrow.lineage import RunRecord, current, step
from regrow.models.contract import Contract
from regrow.models.fitted import packages_of, take_any_classes, use_one_thread
from regrow.models.frames import infer_columns, why_idle, widen_whole_numbers
from regrow.models.metrics import kind_of_classes, scorer
from regrow.models.preprocessing import held_by, preprocess_by_type
from regrow.models.stored import describe_stored, own_files
from regrow.models.thresholds import find_threshold
from regrow.models.weights import name_classes, sample_weights
from regrow.project import CsvSource, HalvingSearch, Metric, Project, Search, Training
from regrow.project.estimators import build_estimator, check_search, make_preprocessing
from regrow.project.imports import code_name, hook_file, naming_origin
from regrow.project.metrics import check_metric, is_own
from regrow.project.training import TunedThreshold
from regrow.results import Candidate, ModelFacts, Parts, ProblemType

RECIPE = "regrow.recipe"


def build_pipeline(
    training: Training, features: pd.DataFrame, project_path: Path = Path(), timestamp: str | None = None
) -> Pipeline:
    """Put preprocessing before the estimator: by column type as the file adjusts it, or by the team's own function.

    *timestamp* is the column from which dates have their age. A column that has one value, or none, in all rows stays
    in the signature and is not used by type.
    """
    estimator = take_any_classes(build_estimator(training, project_path))
    asked = training.preprocessing
    if isinstance(asked, str):
        held = {str(name): held_by(features[name]) for name in features}
        columns = make_preprocessing(training, held, project_path)
        return Pipeline([("columns", columns), ("estimator", estimator)])
    idle = why_idle(features)
    if len(idle) == len(features.columns):
        told = "; ".join(f"`{name}`: {why}" for name, why in idle.items())
        raise DataError(f"no column tells anything ({told}); bring others, or widen training.window")
    used = features.drop(columns=[name for name in idle if name != timestamp])
    takes_missing = get_tags(estimator).input_tags.allow_nan
    columns = preprocess_by_type(asked, used, takes_missing, timestamp)
    return Pipeline([("columns", columns), ("estimator", estimator)])


def fit_pipeline(
    training: Training,
    features: pd.DataFrame,
    target: pd.Series,
    ordered: bool = False,
    project_path: Path = Path(),
    metric: Metric | None = None,
    weights: NDArray[np.float64] | None = None,
    timestamp: str | None = None,
) -> tuple[Pipeline, list[tuple[dict[str, Any], float]]]:
    """Fit the pipeline; the same rows and seed give the same model.

    With a search, the best of its trials by *metric* (default: the estimator's own score); *ordered* rows are then
    validated on what follows them in time.
    Return the pipeline, and each trial's parameters with its mean score.
    """
    pipeline = build_pipeline(training, features, project_path, timestamp)
    name_classes(pipeline["estimator"], target)
    weight = {} if weights is None else {"estimator__sample_weight": weights}
    rows = f"{training.estimator} cannot be fitted on these rows{_infinite(features)}"
    with naming_origin(DataError, rows):
        if training.search is None:
            use_one_thread(pipeline.fit(features, target, **weight))
            return pipeline, []
        search = _search(pipeline, training, ordered, metric).fit(features, target, **weight)
    trials = zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True)
    use_one_thread(search.best_estimator_)
    return search.best_estimator_, [(params, float(value)) for params, value in trials]


def _infinite(features: pd.DataFrame) -> str:
    """Return in brackets the first column of *features* that holds infinite numbers: scikit-learn names none."""
    for column in [name for name in features if pd.api.types.is_float_dtype(features[name])]:
        count = int(np.isinf(features[column].to_numpy("float64", na_value=np.nan)).sum())
        if count:
            return f" (column `{column}` holds infinite numbers in {count} rows)"
    return ""


def kind_of(pipeline: Pipeline) -> tuple[ProblemType, tuple[Any, ...]]:
    """Return what the fitted *pipeline* predicts, and its classes in order."""
    if is_regressor(pipeline):
        return "regression", ()
    classes = tuple(value.item() if hasattr(value, "item") else value for value in pipeline.classes_)
    return ("binary" if len(classes) == 2 else "multiclass"), classes


def columns_with_gaps(frame: pd.DataFrame) -> set[str]:
    """Return the columns of *frame* in which a value is missing."""
    return {str(name) for name in frame if frame[name].isna().any()}


def recipe_of(project: Project, parts: Parts) -> str:
    """Hash all that determines the fit."""
    ingredients = [
        project.name, project.data.model_dump_json(), project.training.model_dump_json(),
        parts.training.digest, parts.holdout.digest, provenance.code_digest(), provenance.environment_digest(),
        *(code_name(file) for file in own_files(project)), *_sought(project),
    ]  # fmt: skip
    return hashlib.sha256("\n".join(ingredients).encode()).hexdigest()


def check_metrics(project: Project, target: pd.Series) -> None:
    """Raise `ProjectError` if a metric of *project* does not measure a model of *target*'s classes, before the fit."""
    estimator = build_estimator(project.training, project.path)
    kind = "regression" if is_regressor(estimator) else kind_of_classes(target.nunique())
    for key, metric in project.metrics.items():
        check_metric(metric, kind, f"{project.path}: {key}")


def _sought(project: Project) -> list[str]:
    """Return the metrics that a search and a threshold choose by, and the code of those of the team's own."""
    metrics = [project.evaluation.primary] if project.training.search else []
    if isinstance(project.training.threshold, TunedThreshold):
        metrics.append(project.training.threshold.metric)
    own = [code_name(hook_file(project.path, metric[1:])) for metric in metrics if is_own(metric)]
    return [*metrics, *own]


def find_candidate(client: MlflowClient, experiment_id: str, recipe: str) -> LoggedModel | None:
    """Find the model that *recipe* gave already, if its upload was finished."""
    found = client.search_logged_models([experiment_id], filter_string=f"tags.`{RECIPE}` = '{recipe}'")
    ready = [model for model in found if str(model.status) == "READY"]
    return min(ready, key=lambda model: model.creation_timestamp) if ready else None


def _search(pipeline: Pipeline, training: Training, ordered: bool, metric: Metric | None) -> Any:
    """Make scikit-learn's search over the estimator's parameters."""
    search, seed, scoring = cast("Search", training.search), training.seed, scorer(metric) if metric else None
    check_search(pipeline["estimator"], search)
    space = {f"estimator__{name}": values for name, values in search.space.items()}
    folds = TimeSeriesSplit(search.folds) if ordered else search.folds
    if isinstance(search, HalvingSearch):
        return HalvingRandomSearchCV(
            pipeline,
            space,
            n_candidates=search.trials,  # pyright: ignore[reportArgumentType] (its stub reads the default's type)
            cv=folds,  # pyright: ignore[reportArgumentType]
            scoring=scoring,
            random_state=seed,
            refit=True,
        )
    return RandomizedSearchCV(
        pipeline, space, n_iter=search.trials, scoring=scoring, cv=folds, random_state=seed, refit=True
    )


def _log_model(run: RunRecord, facts: ModelFacts, recipe: str, stored: dict[str, Any]) -> str:
    """Log the model that is *stored* by MLflow's scikit-learn flavour with these arguments; return its id."""
    begun = _begin_model(run, facts, recipe)
    logged = Model.log(
        artifact_path=None, model_id=begun.model_id, flavor=sklearn_flavor, run_id=run.run_id, **stored
    )
    return str(logged.model_id)


def _begin_model(run: RunRecord, facts: ModelFacts, recipe: str) -> LoggedModel:
    """Begin a logged model in the experiment of *run*; left to itself MLflow takes the default experiment."""
    tags = {
        RECIPE: recipe,
        "regrow.training": facts.training.digest,
        "regrow.holdout": facts.holdout.digest,
    }
    params = run.client.get_run(run.run_id).data.params
    return run.client.create_logged_model(
        run.experiment_id, name="model", source_run_id=run.run_id, tags=tags, params=params
    )


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def fit(project: Project, parts: Parts) -> Candidate:
    """Fit on the training part; a recipe that has given a finished model gives that model again."""
    run, recipe, data = current(), recipe_of(project, parts), project.data
    run.log_input(parts.training, "training")
    run.log_params(
        {"estimator": project.training.estimator, "seed": project.training.seed, "recipe": recipe[:36]}
    )
    found = find_candidate(run.client, run.experiment_id, recipe)
    if found:
        from regrow.registry import read_facts

        run.tag(found_again=found.model_id)
        run.log_model_input(found.model_id)
        return Candidate(
            model_id=found.model_id,
            run_id=str(found.source_run_id),
            recipe=recipe,
            facts=read_facts(found.model_id),
        )
    frame = parts.training.read()
    names = feature_columns(project, list(frame.columns))
    check_metrics(project, frame[data.target])
    gaps = columns_with_gaps(parts.holdout.read(names))
    found_columns = infer_columns(frame[names], gaps=gaps, untyped=isinstance(data.source, CsvSource))
    columns = widen_whole_numbers(found_columns, frame)
    features = Contract(columns).read(frame)
    weights = sample_weights(project.training.sample_weight, frame, data.timestamp)
    pipeline, trials = fit_pipeline(
        project.training, features, frame[data.target], data.timestamp is not None, project.path,
        project.evaluation.primary, weights, data.timestamp,
    )  # fmt: skip
    for number, (params, value) in enumerate(trials):
        run.child(f"trial-{number}", dict(params), {"score": value})
    kind, classes = kind_of(pipeline)
    threshold = find_threshold(
        project.training.threshold, pipeline, features, frame[data.target], data.timestamp is not None,
        project.training.seed, weights,
    )  # fmt: skip
    facts = ModelFacts(
        project=project.name, kind=kind, classes=classes, id=data.id, timestamp=data.timestamp, entity=data.entity,
        training=parts.training, holdout=parts.holdout,
        code=tuple(map(code_name, own_files(project))), trust=project.training.trust,
        threshold=threshold,
        libraries=provenance.library_versions(packages_of(pipeline)), trust_versions=project.training.trust_versions,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        stored = describe_stored(project, pipeline, columns, features, facts, Path(folder))
        model_id = _log_model(run, facts, recipe, stored)
    run.log_metrics({"rows": parts.training.rows}, model_id=model_id)
    return Candidate(model_id=model_id, run_id=run.run_id, recipe=recipe, facts=facts)
