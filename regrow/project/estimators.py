"""Build the estimator that a project file names, so that `check` and `train` refuse the same ones."""

from typing import Any, cast

from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor

from regrow.errors import ProjectError
from regrow.project.imports import import_class, naming_origin
from regrow.project.training import Search, Training

INTERFACE = ("fit", "predict", "get_params", "set_params")


def build_estimator(training: Training) -> BaseEstimator:
    """Return the configured estimator with the seed of the project file.

    Raises `ProjectError` naming the key if the class is no estimator, refuses its parameters, is neither a classifier
    nor a regressor, or gives no probabilities. A class is called only after it is known to be an estimator.
    """
    named, kind = training.estimator, find_estimator(training.estimator)
    with naming_origin(ProjectError, f"training.parameters: {named} refuses them"):
        estimator = kind(**training.parameters)
        parameters = estimator.get_params()
        if "random_state" in parameters and "random_state" not in training.parameters:
            estimator.set_params(random_state=training.seed)
        _check_values(estimator)
    with naming_origin(ProjectError, f"training.estimator: {named} does not say what it predicts"):
        classifies, regresses = is_classifier(estimator), is_regressor(estimator)
    if not (classifies or regresses):
        raise ProjectError(f"training.estimator: {named} is neither a classifier nor a regressor")
    if classifies and not hasattr(estimator, "predict_proba"):
        raise ProjectError(
            f"training.estimator: {named} gives no probabilities with these parameters; "
            "take one with predict_proba, or sklearn.calibration.CalibratedClassifierCV"
        )
    return estimator


def find_estimator(path: str) -> type[BaseEstimator]:
    """Import the class at *path*; raise `ProjectError` if it does not have the interface of an estimator."""
    found = import_class(path, "training.estimator")
    if issubclass(found, BaseEstimator) or all(callable(getattr(found, name, None)) for name in INTERFACE):
        return cast("type[BaseEstimator]", found)
    raise ProjectError(
        f"training.estimator: {path} is no estimator; name a class with {', '.join(INTERFACE)}, "
        "best one that derives from sklearn.base.BaseEstimator"
    )


def check_search(estimator: BaseEstimator, search: Search) -> None:
    """Raise `ProjectError` if *search* varies a parameter that *estimator* lacks, or tries a value that it refuses."""
    known = estimator.get_params()
    for name, values in search.space.items():
        if name not in known:
            raise ProjectError(f"training.search.space: the estimator has no parameter `{name}`")
        for value in values:
            _try_value(estimator, name, value)


def _try_value(estimator: BaseEstimator, name: str, value: Any) -> None:
    with naming_origin(ProjectError, f"training.search.space.{name}: the estimator refuses {value!r}"):
        _check_values(cast("BaseEstimator", clone(estimator)).set_params(**{name: value}))


def _check_values(estimator: BaseEstimator) -> None:
    """Raise `ValueError` if scikit-learn refuses a parameter of *estimator*.

    Its constructors take anything and `fit` refuses. Only the private name checks without a fit; a class that
    declares no constraints (`_parameter_constraints`) is not checked.
    """
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()
