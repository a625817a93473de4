"""The parent MLflow run of a flow run."""

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow import MlflowClient
from prefect.artifacts import create_link_artifact
from prefect.context import FlowRunContext
from prefect.exceptions import Pause

from regrow.base import provenance
from regrow.base.errors import RegrowError, StateError
from regrow.base.settings import load_settings
from regrow.data.flow_figures import FlowOutcome, record_end
from regrow.data.stores import check_stores
from regrow.data.times import as_utc
from regrow.lineage.announcing import announce_death
from regrow.lineage.record import RunRecord
from regrow.lineage.runs import FLOW, FLOW_RUN, SUSPENDED, find_experiment, name_actor, open_run, parent_known
from regrow.lineage.sweeping import sweep
from regrow.project import Project
from regrow.project.schedules import period_of
from regrow.registry import connect

logger = logging.getLogger("regrow.lineage")


@dataclass(frozen=True)
class FlowRecord(RunRecord):
    """The parent MLflow run of a flow run, and the moment that it pretends is now."""

    flow_run_id: str
    as_of: datetime
    trigger: str

    @property
    def actor(self) -> str:
        """How the ledger names this flow run."""
        return name_actor(self.flow_run_id, self.trigger)


@contextlib.contextmanager
def flow_run(
    project: Project, trigger: str = "manual", as_of: datetime | None = None
) -> Iterator[FlowRecord]:
    """Open the parent MLflow run of the flow run that is running, and close it with the flow's outcome.

    Runs that died without closing are closed first. Raises `Unreachable` if MLflow does not answer, `StoreAway` if a
    folder of the store is away.
    """
    client = connect()
    check_stores(load_settings())
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow is None:
        raise RegrowError(
            "lineage.flow_run works only within a Prefect flow; decorate the function with @flow"
        )
    flow_run_id, flow_name = str(context.flow_run.id), context.flow.name
    moment = as_utc(as_of or context.flow_run.expected_start_time or datetime.now(UTC))
    experiment_id = find_experiment(client, project.name)
    clear_up(project, client, experiment_id)
    tags = _flow_tags(project, flow_run_id, flow_name, trigger, moment)
    run_id = open_run(client, experiment_id, flow_run_id, f"{flow_name} {moment:%Y-%m-%d}", tags)
    record = FlowRecord(client, run_id, experiment_id, flow_run_id, moment, trigger)
    client.log_artifact(record.run_id, str(project.path), "project")
    if record.url:
        create_link_artifact(
            link=record.url, link_text=f"MLflow run of {flow_name} {project.name}", key="mlflow-run"
        )
    began = time.monotonic()
    try:
        with parent_known(flow_run_id, run_id):
            yield record
    except Pause:
        client.update_run(record.run_id, status=SUSPENDED)
        raise
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        record.tag(error=f"{type(error).__name__}: {error}")
        client.set_terminated(record.run_id, status)
        outcome = "failed" if isinstance(error, Exception) else "killed"
        _count(project, flow_name, outcome, time.monotonic() - began)
        raise
    client.set_terminated(record.run_id, "FINISHED")
    _count(project, flow_name, "finished", time.monotonic() - began)


def clear_up(project: Project, client: MlflowClient, experiment_id: str) -> None:
    """Close what processes that died left of *project*, in *experiment_id*; announce and count their flow runs."""
    for died in sweep(client, experiment_id):
        announce_death(project, died)
        _count(project, died.data.tags[FLOW], "killed")


def _count(project: Project, flow: str, outcome: FlowOutcome, seconds: float | None = None) -> None:
    """Count the run in the figures that Prometheus is shown; if they cannot be written, the run is as it is."""
    try:
        period = period_of(project, flow)
        record_end(load_settings().home, project.name, flow, outcome, seconds=seconds, period=period)
    except StateError as error:
        logger.warning("%s", error)


def _flow_tags(
    project: Project, flow_run_id: str, flow: str, trigger: str, as_of: datetime
) -> dict[str, str]:
    """Return the tags that say where a flow run stands in Prefect and what it was made from."""
    return {
        FLOW: flow,
        "regrow.trigger": trigger,
        "regrow.as_of": as_of.isoformat(),
        "regrow.project": project.digest,
        "regrow.lock": provenance.lock_digest(),
        "regrow.code": provenance.code_digest(),
        "regrow.seed": str(project.training.seed),
        FLOW_RUN: flow_run_id,
        "prefect.url": f"{load_settings().prefect_ui_url}/runs/flow-run/{flow_run_id}",
        **{f"regrow.{name}": value for name, value in provenance.git_state(project.path.parent).items()},
    }
