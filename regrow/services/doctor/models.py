"""The models: whether the registry says what the ledger says, and whether the schedules fired."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

from regrow import registry
from regrow.base.errors import RegrowError
from regrow.base.reach import why_silent
from regrow.base.settings import Settings
from regrow.lineage.missed import read_missed
from regrow.project import Project
from regrow.registry.connection import registered_models
from regrow.registry.ledger import LEDGER_RUN, Ledger, read_ledger
from regrow.services.doctor.diagnosis import Diagnosis
from regrow.services.projects import find_projects

GRACE = timedelta(minutes=15)
"""How late a scheduled run may begin: runs of one model take turns."""


def examine_models(settings: Settings) -> Iterator[Diagnosis]:
    """Yield what was found of project files, the registry and the schedules."""
    found = find_projects(settings.configs)
    for problem in found.problems:
        yield Diagnosis("project files", "wrong", problem, "mend the file; `regrow check FILE` says more")
    if not found.problems:
        yield Diagnosis("project files", "well", f"{len(found.projects)} in {found.folder}")
    yield from _look_at_registry()
    yield from _look_at_schedules(settings, found.projects)


def _look_at_registry() -> Iterator[Diagnosis]:
    """Yield the models whose aliases or tags are not what their ledger says."""
    try:
        client = registry.connect()
        with registry.reaching("the registered models"):
            ledgers = [read_ledger(client, name) for name in _with_a_ledger(client)]
    except (RegrowError, MlflowException) as error:
        yield Diagnosis("registry", "warning", f"not known: {error}", "see MLflow above")
        return
    yield from look_at_ledgers(ledgers)


def _with_a_ledger(client: MlflowClient) -> list[str]:
    """Return the names of the models that were ever promoted."""
    return [model.name for model in registered_models(client) if LEDGER_RUN in model.tags]


def look_at_ledgers(ledgers: Iterable[Ledger]) -> Iterator[Diagnosis]:
    """Yield which models do not follow their ledger; one line if all do."""
    count = 0
    for ledger in ledgers:
        wrong = [
            f"{alias} is {_version(ledger.aliases.get(alias))}, by the ledger {_version(number)}"
            for alias, number in ledger.expected_aliases().items()
            if ledger.aliases.get(alias) != number
        ]
        if ledger.reconciled != ledger.state.move:
            wrong.append("a writer died before all of its move was written")
        if wrong:
            remedy = (
                f"the next move puts it right, such as `regrow rollback {ledger.name}`; "
                f"see `regrow ledger {ledger.name}`"
            )
            yield Diagnosis("registry", "wrong", f"{ledger.name}: {', '.join(wrong)}", remedy)
        else:
            count += 1
    yield Diagnosis("registry", "well", f"{count} models follow their ledger")


def _version(number: int | None) -> str:
    """Return *number* in words."""
    return "no version" if number is None else f"version {number}"


def _look_at_schedules(settings: Settings, projects: Iterable[Project]) -> Iterator[Diagnosis]:
    """Yield the schedules of *projects* that did not fire."""
    if why_silent(f"{settings.prefect_api_url}/health", timeout=10):
        yield Diagnosis("schedules", "warning", "not known: Prefect does not answer", "see Prefect above")
        return
    try:
        with get_client(sync_client=True) as client:
            missed = read_missed(client, projects, datetime.now(UTC), GRACE)
    except (PrefectException, httpx.HTTPError) as error:
        yield Diagnosis("schedules", "warning", f"not known: {error}", "see Prefect above")
        return
    for each in missed:
        remedy = "the runner does once what was missed: see that it runs, and logs/runner.log"
        yield Diagnosis("schedules", "wrong", str(each), remedy)
    if not missed:
        yield Diagnosis("schedules", "well", "none was missed")
