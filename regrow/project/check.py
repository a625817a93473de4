"""Check a project file and all that it names, without running anything."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from regrow.errors import ProjectError
from regrow.project import CsvSource, ParquetSource, Project, PythonSource, load_project
from regrow.project.imports import import_class


def check_project(file: Path) -> str:
    """Give one line on the project at *file*; raise `ProjectError` with a line per problem."""
    project = load_project(file)
    problems = [problem for check in CHECKS for problem in check(project)]
    if problems:
        raise ProjectError("\n".join(dict.fromkeys(problems)))
    estimator = project.training.estimator.rpartition(".")[2]
    return (
        f"{file}: ok: {project.name} predicts {project.data.target} with {estimator} "
        f"from a {project.data.source.kind} source, {len(project.data.expectations)} expectations, "
        f"{len(project.evaluation.gates)} gates"
    )


def check_estimator(project: Project) -> Iterator[str]:
    """Find an estimator that is not there, or parameters that it does not know."""
    try:
        estimator = import_class(project.training.estimator, "training.estimator")
    except ProjectError as error:
        yield f"{project.path}: {error}"
        return
    try:
        estimator(**project.training.parameters)
    except (TypeError, ValueError) as error:
        yield f"{project.path}: training.parameters: {error}; see {project.training.estimator}"


def check_hooks(project: Project) -> Iterator[str]:
    """Find Python hooks that are missing, fail at import, or cannot be called."""
    source = project.data.source
    if not isinstance(source, PythonSource):
        return
    for reference in (source.load, source.fingerprint):
        if reference is None:
            continue
        try:
            found = project.resolve(reference)
        except ProjectError as error:
            yield str(error)
            continue
        if not callable(found):
            yield f"{project.path}: data.source: {reference} is no function; name one"


def check_files(project: Project) -> Iterator[str]:
    """Find a CSV or Parquet source that is not on disk."""
    source = project.data.source
    if isinstance(source, CsvSource | ParquetSource):
        path = project.path.parent / source.path
        if not path.exists():
            yield f"{project.path}: data.source.path: no {path}; give a path relative to the project file"


def check_expectations(project: Project) -> Iterator[str]:
    """Find expectations that Great Expectations does not know, or arguments that they do not take."""
    if not project.data.expectations:
        return
    import great_expectations.expectations as known

    for index, expectation in enumerate(project.data.expectations):
        key = f"{project.path}: data.expectations.{index}"
        name = "".join(part.capitalize() for part in expectation.expect.split("_"))
        if (found := getattr(known, name, None)) is None:
            yield f"{key}.expect: {expectation.expect} is not known to Great Expectations; see its gallery"
            continue
        try:
            found(**expectation.arguments)
        except (TypeError, ValueError) as error:
            yield f"{key}.arguments: {' '.join(str(error).split())}"


def check_schedules(project: Project) -> Iterator[str]:
    """Find schedules that are not cron."""
    schedules = {
        "monitoring.schedule": project.monitoring.schedule,
        "retraining.schedule": project.retraining.schedule,
        "deployment.rollout_schedule": project.deployment.rollout_schedule,
    }
    given = {key: cron for key, cron in schedules.items() if cron}
    if not given:
        return
    from prefect.client.schemas.schedules import CronSchedule

    for key, cron in given.items():
        try:
            CronSchedule(cron=cron, timezone="UTC")
        except ValidationError:
            yield f"{project.path}: {key}: `{cron}` is not cron; `0 6 * * 1` is Monday 06:00"


CHECKS: tuple[Callable[[Project], Iterator[str]], ...] = (
    check_estimator,
    check_hooks,
    check_files,
    check_expectations,
    check_schedules,
)
