"""Build the estimator that a project file names, so that `check` and `train` refuse the same ones."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor

from regrow.base.errors import ProjectError
from regrow.base.provenance import installed_version
from regrow.project.imports import check_callable, find_class, import_code, naming_origin
from regrow.project.training import Search, Training, is_nested

INTERFACE = ("fit", "get_params", "set_params")
TRANSFORMER = ("fit", "transform", "get_params")
REPEATABLE: dict[str, dict[str, Any]] = {
    "lightgbm": {"deterministic": True, "force_col_wise": True, "verbose": -1},
}
"""Parameters without which a package gives another model at each fit, or writes to the terminal."""


def build_estimator(training: Training, project_path: Path = Path()) -> BaseEstimator:
    """Return the configured estimator with the seed of the project file; *project_path* is where its own code stands.

    A parameter `{estimator: …, parameters: …}` is built in the same way, also in a list and under a name.
    Raises `ProjectError` naming the key if a class is no estimator, refuses its parameters, is neither a classifier
    nor a regressor, or gives no probabilities. A class is called only after it is known to be an estimator.
    """
    check_packages(training.trust_versions)
    named = training.estimator
    estimator = _Builder(training.seed, project_path).build(named, training.parameters, "training")
    with naming_origin(ProjectError, f"training.estimator: {named} does not say what it predicts"):
        classifies, regresses = is_classifier(estimator), is_regressor(estimator)
    if not (classifies or regresses):
        raise ProjectError(
            f"training.estimator: {named} is neither a classifier nor a regressor; one of your own derives from "
            "sklearn.base.ClassifierMixin or RegressorMixin, and then from BaseEstimator"
        )
    if not _offers(estimator, "predict"):
        raise ProjectError(f"training.estimator: {named} has no `predict`; name one that predicts")
    if classifies and not _offers(estimator, "predict_proba"):
        raise ProjectError(
            f"training.estimator: {named} gives no probabilities with these parameters; "
            "take one with predict_proba, or sklearn.calibration.CalibratedClassifierCV"
        )
    return estimator


def check_packages(names: Sequence[str]) -> None:
    """Raise `ProjectError` for one of *names* that no package has here: it would never let a model be loaded."""
    for name in names:
        if installed_version(name) is None:
            raise ProjectError(
                f"training.trust_versions: no package `{name}` is installed; write the name by which it is installed, "
                "such as scikit-learn"
            )


@dataclass(frozen=True)
class _Builder:
    """What every estimator of one file has in common."""

    seed: int
    project_path: Path

    def build(self, path: str, parameters: Mapping[str, Any], key: str) -> BaseEstimator:
        """Build the estimator at *path* with its *parameters*; both stand under *key*."""
        kind = find_estimator(path, f"{key}.estimator", self.project_path)
        under = f"{key}.parameters"
        values = {name: self._value(value, f"{under}.{name}") for name, value in parameters.items()}
        with naming_origin(ProjectError, f"{under}: {path} refuses them"):
            estimator = kind(**values)
            usual = REPEATABLE.get(kind.__module__.partition(".")[0], {})
            estimator.set_params(**{name: value for name, value in usual.items() if name not in values})
            if "random_state" in estimator.get_params() and "random_state" not in values:
                estimator.set_params(random_state=self.seed)
            _check_values(estimator)
        return estimator

    def _value(self, value: Any, key: str) -> Any:
        """Return *value*, with each estimator in it built."""
        if is_nested(value):
            unknown = sorted(set(value) - {"estimator", "parameters"})
            if unknown:
                raise ProjectError(f"{key}: unknown key `{unknown[0]}`; write `estimator` and `parameters`")
            parameters = value.get("parameters") or {}
            if not isinstance(parameters, Mapping):
                raise ProjectError(f"{key}.parameters: {parameters!r} is no mapping of names to values")
            return self.build(value["estimator"], parameters, key)
        if isinstance(value, list):
            built = [self._value(each, f"{key}.{place}") for place, each in enumerate(value)]
            is_named = len(value) == 2 and isinstance(value[0], str) and is_nested(value[1])
            return tuple(built) if is_named else built
        return value


def find_estimator(
    path: str, key: str = "training.estimator", project_path: Path = Path()
) -> type[BaseEstimator]:
    """Import the class at *path*, which stands under *key*; raise `ProjectError` if it is no estimator."""
    found = find_class(path, key, project_path)
    if issubclass(found, BaseEstimator) or all(callable(getattr(found, name, None)) for name in INTERFACE):
        return cast("type[BaseEstimator]", found)
    raise ProjectError(
        f"{key}: {path} is no estimator; name a class with {', '.join(INTERFACE)}, "
        "best one that derives from sklearn.base.BaseEstimator"
    )


def make_preprocessing(training: Training, columns: Mapping[str, str], project_path: Path) -> Any:
    """Return the transformer that the hook `training.preprocessing` makes for *columns*: what each holds, by name.

    That is `number`, `boolean`, `text` or `date`. Raises `ProjectError` if the hook raises, or makes no transformer.
    """
    reference = str(training.preprocessing)
    hook = find_preprocessing(training, project_path)
    with naming_origin(ProjectError, f"training.preprocessing: {reference}", project_path.parent.absolute()):
        made = hook(dict(columns))
    lacks = [name for name in TRANSFORMER if not callable(getattr(made, name, None))]
    if lacks:
        raise ProjectError(
            f"training.preprocessing: {reference} returned {type(made).__name__}, which has no `{lacks[0]}`; "
            "return a scikit-learn transformer"
        )
    return made


def find_preprocessing(training: Training, project_path: Path) -> Callable[..., Any]:
    """Import the hook `training.preprocessing`; raise `ProjectError` if it cannot be called with the columns."""
    reference = str(training.preprocessing)
    found = import_code(project_path, reference, "training.preprocessing")
    check_callable(found, f"training.preprocessing: {reference}", "columns")
    return found


def check_search(estimator: BaseEstimator, search: Search) -> None:
    """Raise `ProjectError` if *search* varies a parameter that *estimator* lacks, or tries a value that it refuses."""
    known = estimator.get_params()
    for name, values in search.space.items():
        if name not in known:
            raise ProjectError(f"training.search.space: the estimator has no parameter `{name}`")
        for value in values:
            _try_value(estimator, name, value)


def _offers(estimator: BaseEstimator, method: str) -> bool:
    """Return whether *estimator* will have *method*; unfitted stacking without a final estimator hides it."""
    whole = getattr(estimator, "final_estimator", estimator) is not None
    return hasattr(estimator if whole else type(estimator), method)


def takes_weights(estimator: BaseEstimator) -> bool:
    """Return whether `fit` of *estimator* takes a weight for each row, by name or among others."""
    taken = inspect.signature(type(estimator).fit).parameters  # pyright: ignore[reportAttributeAccessIssue]
    return "sample_weight" in taken or any(each.kind is each.VAR_KEYWORD for each in taken.values())


def _try_value(estimator: BaseEstimator, name: str, value: Any) -> None:
    with naming_origin(ProjectError, f"training.search.space.{name}: the estimator refuses {value!r}"):
        changed = cast("BaseEstimator", clone(estimator)).set_params(**{name: value})
        owner, _, _ = name.rpartition("__")
        _check_values(changed.get_params()[owner] if owner else changed)


def _check_values(estimator: BaseEstimator) -> None:
    """Raise `ValueError` if scikit-learn refuses a parameter of *estimator*.

    Its constructors take anything and `fit` refuses. Only the private name checks without a fit; a class that
    declares no constraints (`_parameter_constraints`) is not checked.
    """
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()
