"""What a pipeline is made of, however deep estimators stand in one another."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from sklearn.base import BaseEstimator


def parts_of(estimator: object) -> Iterator[BaseEstimator]:
    """Yield *estimator* and every estimator that it holds, fitted or not; each once."""
    seen: set[int] = set()
    waiting: list[Any] = [estimator]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, BaseEstimator):
            yield part
        # `_CalibratedClassifier` and the like hold estimators, and are none.
        if isinstance(part, BaseEstimator) or type(part).__module__.startswith("sklearn."):
            waiting.extend(vars(part).values() if hasattr(part, "__dict__") else ())
        elif isinstance(part, Mapping):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)


def packages_of(estimator: object) -> tuple[str, ...]:
    """Return the installed packages whose classes *estimator* is made of."""
    kinds = {kind for part in parts_of(estimator) for kind in type(part).__mro__}
    found = {kind.__module__.partition(".")[0] for kind in kinds} - {"builtins", "regrow"}
    return tuple(sorted(name for name in found if not name.startswith("regrow_code_")))


def use_one_thread(estimator: object) -> None:
    """Let every part of the fitted *estimator* predict in one thread.

    A forest adds its trees up in the order in which its threads end.
    """
    for part in parts_of(estimator):
        threads = part.get_params(deep=False).get("n_jobs", 1)
        # None is one thread to scikit-learn, which warns of a number that it does not need, and all to others.
        if threads != 1 and not (threads is None and type(part).__module__.startswith("sklearn.")):
            part.set_params(n_jobs=1)


def take_any_classes(estimator: Any) -> Any:
    """Return *estimator*, not yet fitted, with each of XGBoost's classifiers in it able to take text for classes."""
    if "xgboost" not in sys.modules:
        return estimator
    from regrow.models.xgboost_classes import ANY_CLASSES

    if type(estimator) in ANY_CLASSES:
        return ANY_CLASSES[type(estimator)](**estimator.get_params())
    named = estimator.get_params(deep=True)
    estimator.set_params(
        **{name: take_any_classes(part) for name, part in named.items() if type(part) in ANY_CLASSES}
    )
    return estimator
