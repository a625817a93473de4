"""Find an MLflow run by its key before it is created."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag
from mlflow.exceptions import MlflowException

from regrow.base import provenance
from regrow.base.settings import load_settings
from regrow.data.stores import make_store
from regrow.registry.connection import is_absent, reaching

KEY, PROCESS, FLOW, FLOW_RUN = "regrow.key", "regrow.process", "regrow.flow", "prefect.flow_run_id"
BY_SCHEDULE = "schedule"
"""The trigger of a run that nobody asked for at this moment."""
SUSPENDED = "SCHEDULED"
"""What MLflow calls a run that waits: here, one whose flow run was suspended and goes on when it is resumed."""
_experiments: dict[tuple[str, str], str] = {}
"""Ids of experiments, by tracking server and name: they never change."""
_parents: dict[str, str] = {}
"""Ids of the parent runs of the flow runs that are running in this process, by flow run id."""


def find_experiment(client: MlflowClient, name: str) -> str:
    """Return the id of the experiment *name*; a new one gets an absolute place for its artifacts."""
    known = (load_settings().tracking_uri, name)
    if known not in _experiments:
        _experiments[known] = _find_or_create_experiment(client, name)
    return _experiments[known]


def _find_or_create_experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found:
        return found.experiment_id
    location = None
    if not load_settings().tracking_uri.startswith("http"):
        artifacts = load_settings().artifacts
        make_store(artifacts)
        location = (artifacts / name).as_uri()
    try:
        return client.create_experiment(name, artifact_location=location)
    except MlflowException:
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found.experiment_id


def open_run(client: MlflowClient, experiment_id: str, key: str, name: str, tags: dict[str, str]) -> str:
    """Find the run of *key* and set it running again, or create it; return its id."""
    alive = {KEY: key, PROCESS: provenance.process_identity(), **tags}
    found = find_run(client, experiment_id, key)
    if found is None:
        return client.create_run(experiment_id, run_name=name, tags=alive).info.run_id
    client.update_run(found.info.run_id, status="RUNNING")
    client.log_batch(found.info.run_id, tags=[RunTag(tag, value) for tag, value in alive.items()])
    return found.info.run_id


def name_actor(flow_run_id: str, trigger: str) -> str:
    """Return how the ledger names a flow run that moves a model."""
    return f"flow {flow_run_id} ({trigger})"


def flow_run_of(actor: str) -> str | None:
    """Return the id of the flow run that *actor* names; None if it names a person."""
    found = re.fullmatch(r"flow (\S+) \(.*\)", actor, flags=re.DOTALL)
    return found[1] if found else None


@contextmanager
def parent_known(flow_run_id: str, run_id: str) -> Iterator[None]:
    """Remember *run_id* as the parent run of *flow_run_id* until the block ends: each step would search for it."""
    _parents[flow_run_id] = run_id
    try:
        yield
    finally:
        _parents.pop(flow_run_id, None)


def find_parent(client: MlflowClient, experiment_id: str, flow_run_id: str) -> str | None:
    """Return the id of the parent run of *flow_run_id*, which another process may have opened."""
    if flow_run_id in _parents:
        return _parents[flow_run_id]
    found = find_run(client, experiment_id, flow_run_id)
    return found.info.run_id if found else None


def find_run(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """Return the oldest run of *key*; None if there is none."""
    found = client.search_runs(
        [experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1, order_by=["attributes.start_time ASC"]
    )
    return found[0] if found else None


def runs_of(client: MlflowClient, model: str, condition: str, newest_first: bool = False) -> Iterator[Run]:
    """Yield every run of *model* that meets *condition*, page by page; none without an experiment."""
    experiment, token = client.get_experiment_by_name(model), None
    order = ["attributes.start_time DESC"] if newest_first else None
    while experiment is not None:
        page = client.search_runs(
            [experiment.experiment_id], condition, max_results=1000, order_by=order, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def flow_run_of_run(client: MlflowClient, run_id: str) -> str | None:
    """Return the flow run that the MLflow run *run_id* belongs to; None if there is no such run, or it is of none.

    Raises `Unreachable` if MLflow does not answer.
    """
    if not run_id:
        return None
    with reaching(f"run {run_id}"):
        try:
            return client.get_run(run_id).data.tags.get(FLOW_RUN)
        except MlflowException as error:
            if is_absent(error):
                return None
            raise


def run_url(experiment_id: str, run_id: str) -> str | None:
    """Return the page of the MLflow run *run_id*; None if MLflow is used without a server."""
    uri = load_settings().tracking_uri
    return f"{uri}/#/experiments/{experiment_id}/runs/{run_id}" if uri.startswith("http") else None
