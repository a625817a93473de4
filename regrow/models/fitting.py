"""Fit preprocessing and estimator as one pipeline: the same rows and seed give the same model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_regressor
from sklearn.experimental import (
    enable_halving_search_cv,  # noqa: F401  # pyright: ignore[reportUnusedImport] (it makes the next import work)
)
from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV, TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from regrow.base.errors import DataError
from regrow.models.fitted import take_any_classes, use_one_thread
from regrow.models.frames import why_idle
from regrow.models.metrics import scorer
from regrow.models.preprocessing import held_by, missing_words, preprocess_by_type
from regrow.models.results import ProblemType
from regrow.models.weights import name_classes
from regrow.project import HalvingSearch, Metric, Search, Training
from regrow.project.estimators import build_estimator, check_search, make_preprocessing
from regrow.project.imports import naming_origin


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
    if missing := missing_words(asked, features.columns):
        raise DataError("; ".join(missing))
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
    if training.search is None:
        return _fit(pipeline, training, features, target, weights), []
    name_classes(pipeline["estimator"], target)
    with naming_origin(DataError, _what_failed(training, features)):
        search = _search(pipeline, training, ordered, metric).fit(features, target, **_weigh(weights))
    trials = zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True)
    use_one_thread(search.best_estimator_)
    return search.best_estimator_, [(params, float(value)) for params, value in trials]


def refit_pipeline(
    training: Training,
    before: pd.DataFrame,
    features: pd.DataFrame,
    target: pd.Series,
    chosen: Mapping[str, Any],
    project_path: Path = Path(),
    weights: NDArray[np.float64] | None = None,
    timestamp: str | None = None,
) -> Pipeline:
    """Fit on *features* and *target* the same pipeline that was fitted on *before*, rows of the same columns.

    The columns that are used, how each is prepared, and the parameters that a search has *chosen* stay those of then.
    """
    pipeline = build_pipeline(training, before, project_path, timestamp).set_params(**chosen)
    return _fit(pipeline, training, features, target, weights)


def _fit(
    pipeline: Pipeline,
    training: Training,
    features: pd.DataFrame,
    target: pd.Series,
    weights: NDArray[np.float64] | None,
) -> Pipeline:
    """Fit *pipeline* and return it."""
    name_classes(pipeline["estimator"], target)
    with naming_origin(DataError, _what_failed(training, features)):
        use_one_thread(pipeline.fit(features, target, **_weigh(weights)))
    return pipeline


def _weigh(weights: NDArray[np.float64] | None) -> dict[str, Any]:
    """Return *weights* as the arguments of a pipeline's fit."""
    return {} if weights is None else {"estimator__sample_weight": weights}


def _what_failed(training: Training, features: pd.DataFrame) -> str:
    """Return what the error of a fit begins with."""
    return f"{training.estimator} cannot be fitted on these rows{_infinite(features)}"


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
