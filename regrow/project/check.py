"""Check a project file and all that it names, and run nothing of it but the import of its hooks and estimator."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from regrow.base.errors import ProjectError
from regrow.base.provenance import installed_version
from regrow.project.data import PERIODS, StratifiedSplit
from regrow.project.estimators import build_estimator, check_search, find_preprocessing, takes_weights
from regrow.project.evaluation import CalibrationGate, FairnessGate, RobustnessGate
from regrow.project.expectations import build_expectation
from regrow.project.fields import format_duration
from regrow.project.file import Project, load_project
from regrow.project.imports import check_callable
from regrow.project.metrics import check_metric, decides, is_own, own_metric
from regrow.project.monitoring import LEAST_UNITS
from regrow.project.schedules import check_cron, check_fires, schedules_of
from regrow.project.sources import CsvSource, DeltaSource, ParquetSource, PythonSource, Source
from regrow.project.training import ByType, HalfLife, TunedThreshold


def check_project(file: Path) -> str:
    """Return a line on the project at *file*; raise `ProjectError` with a line per problem."""
    project = load_project(file)
    problems = [problem for check in CHECKS for problem in check(project)]
    if problems:
        raise ProjectError("\n".join(dict.fromkeys(problems)))
    estimator = re.split("[.:]", project.training.estimator)[-1]
    return (
        f"{file}: ok: {project.name} predicts {project.data.target} with {estimator} "
        f"from a {project.data.source.kind} source, {len(project.data.expectations)} expectations, "
        f"{len(project.evaluation.gates)} gates{_not_explained(project)}"
    )


def _not_explained(project: Project) -> str:
    """Return that trainings here explain nothing although the file asks for it; empty if they do."""
    if not project.evaluation.explain or installed_version("shap") is not None:
        return ""
    return (
        "; evaluation.explain: the package shap is not installed, so trainings here explain nothing; install it by "
        "`pip install 'regrow[explain]'`"
    )


def check_training(project: Project) -> Iterator[str]:
    """Find an estimator that cannot be made, a search that it cannot run, and metrics that do not measure it."""
    from sklearn.base import is_classifier

    try:
        estimator = build_estimator(project.training, project.path)
        if isinstance(project.training.preprocessing, str):
            find_preprocessing(project.training, project.path)
        check_weights(project, estimator)
        if project.training.search is not None:
            check_search(estimator, project.training.search)
    except ProjectError as error:
        yield f"{project.path}: {error}"
        return
    kind = "classification" if is_classifier(estimator) else "regression"
    for key, metric in project.metrics.items():
        yield from _problem(check_metric, metric, kind, f"{project.path}: {key}")
        if is_own(metric):
            yield from _problem(own_metric, metric)
    yield from _problem(check_threshold, project, kind)
    if kind == "regression" and isinstance(project.data.split, StratifiedSplit):
        yield (
            f"{project.path}: data.split: `stratified` keeps the shares of classes, and a regression has none; take "
            "`random`, `group` or `time`"
        )
    yield from check_gates(project, kind)


def check_weights(project: Project, estimator: Any) -> None:
    """Raise `ProjectError` if *estimator* takes no weights, or they or the ages of dates need a missing timestamp."""
    training, by_type = project.training, project.training.preprocessing
    if training.sample_weight is not None and not takes_weights(estimator):
        raise ProjectError(
            f"training.sample_weight: {training.estimator} takes no `sample_weight`; leave it out"
        )
    needs = {
        "training.sample_weight.half_life": isinstance(training.sample_weight, HalfLife),
        "training.preprocessing.dates": isinstance(by_type, ByType) and by_type.dates == "age",
    }
    for key, needed in needs.items():
        if needed and project.data.timestamp is None:
            raise ProjectError(
                f"{key}: an age is of data.timestamp; name the column of the event's time there"
            )


def check_gates(project: Project, kind: str) -> Iterator[str]:
    """Find gates that a model of *kind*, or rows without a time, cannot be judged by."""
    for place, gate in enumerate(project.evaluation.gates):
        key = f"{project.path}: evaluation.gates.{place}"
        if isinstance(gate, FairnessGate | CalibrationGate) and kind == "regression":
            yield f"{key}: {gate.kind} is of a classifier's decisions or probabilities; leave it out of a regression"
        if isinstance(gate, RobustnessGate) and project.data.timestamp is None:
            yield f"{key}: the newest part is by data.timestamp; name the column of the event's time there"


def check_threshold(project: Project, kind: str) -> None:
    """Raise `ProjectError` if a model of *kind* has no decision to tune, or its metric does not see it."""
    asked, key = project.training.threshold, f"{project.path}: training.threshold"
    if asked is None:
        return
    if kind == "regression":
        raise ProjectError(f"{key}: a regression decides for no class; leave it out")
    if isinstance(asked, TunedThreshold) and not decides(asked.metric):
        raise ProjectError(
            f"{key}.metric: {asked.metric} is of probabilities, and no threshold changes it; take one of decisions, "
            "such as f1, balanced_accuracy, or a function of your own with a parameter `decision`"
        )


def check_sources(project: Project) -> Iterator[str]:
    """Find a hook that is missing, fails at import or cannot be called as it will be, and a file that is not there."""
    for key, source in project.sources.items():
        if isinstance(source, PythonSource):
            yield from _problem(check_hook, project, f"{key}.load", source.load, "start", "end")
            if source.fingerprint is not None:
                yield from _problem(check_hook, project, f"{key}.fingerprint", source.fingerprint)
        else:
            yield from _problem(_check_file, project, key, source)


def check_hook(project: Project, key: str, reference: str, *arguments: str) -> None:
    """Raise `ProjectError` if the hook at *reference* cannot be called with *arguments*; it is not called."""
    found = project.resolve(reference, key)
    check_callable(found, f"{project.path}: {key}: {reference}", *arguments)


def _check_file(project: Project, key: str, source: Source) -> None:
    """Raise `ProjectError` if *source* names a file or folder on this machine that is not there."""
    if not isinstance(source, CsvSource | ParquetSource | DeltaSource) or "://" in source.path:
        return
    path = project.path.parent / source.path
    if not path.exists():
        raise ProjectError(f"{project.path}: {key}.path: no {path}; give a path relative to the project file")


def check_expectations(project: Project) -> Iterator[str]:
    """Find expectations that Great Expectations does not know, cannot compute, or cannot set rows aside by."""
    for place, expectation in enumerate(project.data.expectations):
        yield from _problem(build_expectation, expectation, f"{project.path}: data.expectations.{place}")


def check_schedules(project: Project) -> Iterator[str]:
    """Find schedules that are not cron, or that never fire."""
    for key, cron in schedules_of(project).items():
        problems = [*_problem(check_cron, project, key, cron)]
        yield from problems or _problem(check_fires, project, key, cron)


def check_labels(project: Project) -> Iterator[str]:
    """Find a training window in which no row is old enough to have its label."""
    training, delay = project.training, project.data.label_delay
    key, window = ("windows", training.shortest) if training.windows else ("window", training.window)
    if window is not None and window <= delay:
        yield (
            f"{project.path}: training.{key}: {format_duration(window)} is not longer than data.label_delay, "
            f"{format_duration(delay)}: no row of it has its label yet; write a longer one"
        )


def check_performance(project: Project) -> Iterator[str]:
    """Find a window of monitoring that never holds as many periods as performance is judged on."""
    window, unit = project.monitoring.window, project.data.sampling_unit
    period = PERIODS.get(unit)
    if period is not None and window < (LEAST_UNITS - 1) * period:  # It may begin and end within a period.
        yield (
            f"{project.path}: monitoring.window: {format_duration(window)} holds fewer than {LEAST_UNITS} {unit}s, of "
            f"which nothing is ever concluded about performance; write {format_duration(LEAST_UNITS * period)} or "
            "longer, or another data.unit"
        )


def _problem(check: Callable[..., Any], *arguments: Any) -> Iterator[str]:
    """Yield what *check* refuses *arguments* for."""
    try:
        check(*arguments)
    except ProjectError as error:
        yield str(error)


CHECKS: tuple[Callable[[Project], Iterator[str]], ...] = (
    check_training,
    check_sources,
    check_expectations,
    check_schedules,
    check_labels,
    check_performance,
)
