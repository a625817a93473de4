"""Close what processes that died left open, and find the flow runs that count."""

import uuid
from collections.abc import Iterable
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus, Run
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from regrow.base import provenance
from regrow.base.settings import load_settings
from regrow.data.files import remove_partials
from regrow.lineage.runs import FLOW, FLOW_RUN, KEY, PROCESS, SUSPENDED, find_run


def sweep(client: MlflowClient, experiment_id: str) -> list[Run]:
    """Clear up after the processes of *experiment_id* that died: their runs, models, and half-written snapshots.

    A run is closed last, so that a sweep that dies too is done again. Returns the runs of whole flow runs among them.
    """
    died: list[Run] = []
    if isinstance(snapshots := load_settings().snapshots, Path):  # In a bucket nothing is half-written.
        remove_partials(snapshots)
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        tags = run.data.tags
        if PROCESS not in tags or not provenance.has_died(tags[PROCESS]):
            continue
        _fail_unfinished_models(client, experiment_id, run.info.run_id)
        if "/" not in tags.get(KEY, "/"):
            _mark_crashed(tags[KEY], tags[PROCESS])
            died.append(run)
        client.set_terminated(run.info.run_id, "KILLED")
    return died


def effective_flow_runs(client: MlflowClient, experiment_id: str, flow_runs: Iterable[str]) -> set[str]:
    """Return those of the *flow_runs* of *experiment_id* that ended well, are at work, or wait to be resumed."""
    found = [find_run(client, experiment_id, each) for each in sorted(set(flow_runs))]
    return {
        run.data.tags[FLOW_RUN]
        for run in found
        if run is not None and FLOW in run.data.tags and _counts(run.info.status, run.data.tags)
    }


def _counts(status: str, tags: dict[str, str]) -> bool:
    """Return whether a flow run that MLflow gives *status* made something, or may still do so."""
    if status == "RUNNING":
        return PROCESS in tags and not provenance.has_died(tags[PROCESS]) and _is_open(tags[FLOW_RUN])
    return status == "FINISHED" or (status == SUSPENDED and _is_open(tags[FLOW_RUN]))


def _is_open(flow_run_id: str) -> bool:
    """Return whether Prefect knows the flow run, and of no end of it."""
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(uuid.UUID(flow_run_id)).state
        except ObjectNotFound:
            return False
    return state is None or not state.is_final()


def _fail_unfinished_models(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    """Mark the models that run *run_id* began to log and never finished."""
    logged = client.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run_id}'")
    for model in logged:
        if model.status == LoggedModelStatus.PENDING:
            client.finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)


def _mark_crashed(flow_run_id: str, identity: str) -> None:
    """Mark the flow run as crashed in Prefect, because its process is gone, unless it has ended there already."""
    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(uuid.UUID(flow_run_id))
        except ObjectNotFound:
            return
        if run.state is not None and run.state.is_running():
            client.set_flow_run_state(run.id, Crashed(message=f"the process {identity} is gone"), force=True)
