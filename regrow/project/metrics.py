"""The metrics that a project file may name: built in, scikit-learn's scorers, and functions beside the file."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from regrow.base.errors import ProjectError
from regrow.project.imports import check_callable, import_code

REGRESSION = frozenset({"rmse", "mae", "r2"})
CLASSIFICATION = frozenset(
    {"roc_auc", "average_precision", "log_loss", "brier", "accuracy", "balanced_accuracy", "f1"}
)
BUILT_IN = REGRESSION | CLASSIFICATION
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae"})
BY_CLASS = frozenset({"accuracy", "balanced_accuracy", "f1"})
"""Built-in metrics of the class that a model decides for, so of its threshold too."""
OWN = r"^[+-][A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""A function beside the project file, after the sign of its direction: `+` if a greater figure is better, else `-`."""
SHOWN = "`+metrics:profit` (greater is better) or `-metrics:cost` for a function of your own"


def is_own(metric: str) -> bool:
    """Return whether *metric* is a function beside the project file."""
    return re.match(OWN, metric) is not None


def _known(metric: str) -> str:
    """Refuse what is no metric."""
    if metric in BUILT_IN or is_own(metric):
        return metric
    if ":" in metric:
        raise ValueError(f"a metric of your own says which direction is better: write {SHOWN}")
    from sklearn.metrics import get_scorer_names

    if metric not in get_scorer_names():
        raise ValueError(
            f"no such metric; choose from {', '.join(sorted(BUILT_IN))}, a scorer of scikit-learn, or write {SHOWN}"
        )
    return metric


Metric = Annotated[
    str,
    AfterValidator(_known),
    WithJsonSchema(
        {
            "anyOf": [{"enum": sorted(BUILT_IN)}, {"type": "string", "pattern": r"^[a-z][a-z0-9_]*$|" + OWN}],
            "description": f"One of these, any scorer of scikit-learn by its name, or {SHOWN}",
        }
    ),
]


def check_metric(metric: str, kind: str, key: str = "evaluation") -> None:
    """Raise `ProjectError` if *metric*, which stands under *key*, does not measure a model of *kind*.

    That is `regression`, `binary`, `multiclass`, or `classification` of any number of classes.
    """
    regression = kind == "regression"
    fitting = REGRESSION if regression else CLASSIFICATION
    if metric in fitting or is_own(metric):
        return
    if metric not in BUILT_IN:
        from regrow.project.scorers import fits

        if fits(metric, kind):
            return
    model = {"regression": "a regression", "multiclass": "a classifier of several classes"}.get(
        kind, "a classifier"
    )
    raise ProjectError(
        f"{key}: {metric} does not measure {model}; choose from {', '.join(sorted(fitting))}; or name a scorer of "
        "scikit-learn that does, or a function of your own"
    )


def decides(metric: str) -> bool:
    """Return whether *metric* measures the classes that a model decides for, not its probabilities."""
    if metric in BUILT_IN:
        return metric in BY_CLASS
    if is_own(metric):
        return takes_decisions(own_metric(metric))
    from regrow.project.scorers import needs_classes_only

    return needs_classes_only(metric)


def takes_decisions(function: Callable[..., Any]) -> bool:
    """Return whether the second parameter of the user's *function* is named `decision`: it gets classes then."""
    import inspect

    try:
        return list(inspect.signature(function).parameters)[1:2] == ["decision"]
    except (TypeError, ValueError):  # A function of C without a signature.
        return False


_FILES: dict[str, set[Path]] = {}
"""The project files that this process has read with each metric of their own."""


def bind_metrics(project_path: Path, metrics: Iterable[str]) -> None:
    """Remember that the own ones of *metrics* stand beside *project_path*."""
    for metric in filter(is_own, metrics):
        _FILES.setdefault(metric, set()).add(project_path)


def own_metric(metric: str) -> Callable[..., Any]:
    """Return the function that *metric* names.

    Raises `ProjectError` if no project file that was read names it, or it is missing or fails at import.
    """
    files = sorted(_FILES.get(metric, ()))
    reference, key = metric[1:], "evaluation"
    found = [import_code(file, reference, key) for file in files]
    if not found:
        raise ProjectError(f"{metric}: no project file that was read names this metric")
    # Of equal content it is the same module, so the same function.
    if any(function is not found[0] for function in found):
        raise ProjectError(
            f"{metric}: {' and '.join(map(str, files))} name different functions by it; rename one of them"
        )
    check_callable(found[0], f"{files[0]}: {key}: {reference}", "target", "prediction")
    return found[0]


@lru_cache(maxsize=256)
def higher_is_better(metric: str) -> bool:
    """Return whether a greater *metric* is a better model; scikit-learn's scorers all rise."""
    return metric not in LOWER_IS_BETTER and not metric.startswith("-")
