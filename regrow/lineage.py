"""Lineage: one MLflow run per flow run, one nested run per step, whatever fails, retries or resumes.

A run is found by its key (`flow run id`, `flow run id/step`) before it is created. Run ids are passed explicitly
everywhere; MLflow's active run, which is bound to a thread, is never used.
"""

import contextlib
import functools
import hashlib
import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelStatus,
    Metric,
    Run,
    RunTag,
)
from mlflow.entities import Param as RunParam
from mlflow.exceptions import MlflowException
from prefect import Task, get_run_logger
from prefect.artifacts import create_link_artifact
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import ObjectNotFound
from prefect.futures import PrefectFuture
from prefect.states import Crashed
from pydantic import BaseModel

from regrow import provenance
from regrow.decisions.verdict import Verdict
from regrow.errors import RegrowError
from regrow.project import Project
from regrow.registry import connect
from regrow.settings import load_settings
from regrow.snapshots import Snapshot, remove_partials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")
KEY, CACHED, PROCESS = "regrow.key", "regrow.cached_from", "regrow.process"


@dataclass(frozen=True)
class RunRecord:
    """An MLflow run that is written by its id."""

    client: MlflowClient
    run_id: str
    experiment_id: str

    @property
    def url(self) -> str | None:
        """The run's page; None where MLflow is used without a server."""
        return run_url(self.experiment_id, self.run_id)

    def log_input(self, snapshot: Snapshot, context: str) -> None:
        """Link *snapshot* to the run as an MLflow dataset with our own digest."""
        columns = [{"name": name, "type": kind} for name, kind in snapshot.columns.items()]
        dataset = Dataset(
            name=f"{context} {snapshot.digest[:12]}",
            digest=snapshot.digest[:36],
            source_type="local",
            source=json.dumps({"uri": snapshot.uri}),
            schema=json.dumps({"regrow_columns": columns})[:60_000],
            profile=json.dumps(
                {"num_rows": snapshot.rows, "sha256": snapshot.digest, **time_range(snapshot)}
            ),
        )
        link = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
        _once_more(lambda: self.client.log_inputs(self.run_id, datasets=[link]))

    def log_model_input(self, model_id: str) -> None:
        """Record that the run read the logged model *model_id*."""
        _once_more(lambda: self.client.log_inputs(self.run_id, models=[LoggedModelInput(model_id)]))

    def log_metrics(self, metrics: dict[str, float], model_id: str | None = None) -> None:
        """Log *metrics* on the run and, where *model_id* is given, on that model."""
        now = int(datetime.now(UTC).timestamp() * 1000)
        values = [Metric(name, value, now, 0, model_id=model_id) for name, value in metrics.items()]
        self.client.log_batch(self.run_id, metrics=values)

    def log_params(self, params: dict[str, object]) -> None:
        """Log *params*; they must be the same on every attempt."""
        values = [RunParam(name, str(value)[:6000]) for name, value in params.items()]
        self.client.log_batch(self.run_id, params=values)

    def tag(self, **tags: object) -> None:
        """Tag the run; names are given the prefix `regrow.`."""
        self.set_tags({f"regrow.{name}": str(value) for name, value in tags.items()})

    def set_tags(self, tags: dict[str, str]) -> None:
        """Set *tags* under their full names."""
        self.client.log_batch(self.run_id, tags=[RunTag(name, value[:8000]) for name, value in tags.items()])

    def log_text(self, text: str, artifact_file: str) -> None:
        """Keep *text* as the artifact *artifact_file*."""
        self.client.log_text(self.run_id, text, artifact_file)

    def log_artifact(self, path: Path | str, folder: str | None = None) -> None:
        """Keep the file at *path* as an artifact."""
        self.client.log_artifact(self.run_id, str(path), folder)

    def log_figure(self, figure: "Figure", artifact_file: str) -> None:
        """Keep *figure* as the picture *artifact_file*."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(artifact_file).name
            figure.savefig(path, dpi=110, bbox_inches="tight")
            parent = str(Path(artifact_file).parent)
            self.log_artifact(path, None if parent == "." else parent)

    def verdict(self, verdict: Verdict) -> None:
        """Keep *verdict* on the run: its outcome as tags, the whole as `verdict.json`."""
        self.tag(
            **{
                "verdict": "pass" if verdict.passed else "fail",
                "verdict.decision": verdict.decision,
                "verdict.reason": verdict.reason,
            }
        )
        self.log_text(verdict.model_dump_json(indent=2), "verdict.json")

    def child(self, name: str, params: dict[str, object], metrics: dict[str, float]) -> None:
        """Record a finished nested run *name*, such as a trial of a search; a retry finds it again."""
        key = f"{self.client.get_run(self.run_id).data.tags[KEY]}/{name}"
        record = _open(self.client, self.experiment_id, key, name, {"mlflow.parentRunId": self.run_id})
        record.log_params(params)
        record.log_metrics(metrics)
        self.client.set_terminated(record.run_id)


@dataclass(frozen=True)
class FlowRecord(RunRecord):
    """The parent MLflow run of a flow run, and the moment that it pretends is now."""

    flow_run_id: str
    as_of: datetime
    trigger: str


@dataclass(frozen=True)
class Recorded(Generic[R]):
    """A step's result with the runs that made it, as Prefect stores it."""

    flow_run_id: str
    run_id: str
    value: R


_experiments: dict[tuple[str, str], str] = {}
"""Ids of experiments, by tracking server and name: they never change."""
_current: ContextVar[RunRecord] = ContextVar("current_step")


def current() -> RunRecord:
    """Give the MLflow run of the step whose body is running."""
    return _current.get()


class StepFuture(Generic[R]):
    """The result of a step that was submitted, when it is there."""

    def __init__(self, step: "Step[Any, R]", project: Project, future: PrefectFuture[Recorded[R]]) -> None:
        self._step, self._project, self.future = step, project, future

    def result(self, timeout: float | None = None) -> R:
        """Wait *timeout* seconds at most for the step's result."""
        return self._step.receive(self._project, self.future.result(timeout=timeout))


class Step(Generic[P, R]):
    """A function that is a Prefect task and a nested MLflow run; its first argument is the project."""

    def __init__(
        self, function: Callable[P, R], cached: bool | Callable[..., bool], policy: dict[str, Any]
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = function.__name__
        self.cached = cached
        self.task: Task[P, Recorded[R]] = Task(
            fn=_body(function, self.name),
            name=self.name,
            persist_result=True,
            cache_key_fn=self._cache_key if cached else None,
            **policy,
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the step as a task of the flow that is running."""
        return self.receive(_project_of(args, kwargs), self.task(*args, **kwargs))

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> StepFuture[R]:
        """Hand the step to the flow's task runner: threads, processes or Dask."""
        return StepFuture(self, _project_of(args, kwargs), self.task.submit(*args, **kwargs))

    def receive(self, project: Project, recorded: Recorded[R]) -> R:
        """Unwrap *recorded*; a result that another flow run made is recorded on this one as cached."""
        flow_run_id = str(cast(Any, FlowRunContext.get()).flow_run.id)
        if recorded.flow_run_id != flow_run_id:
            _record_cached(project, flow_run_id, self.name, recorded.run_id)
        return recorded.value

    def _cache_key(self, context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
        """Hash what determines the result; None (never cached) where the step says so."""
        if callable(self.cached) and not self.cached(**parameters):
            return None
        settings = load_settings()
        place = f"{settings.tracking_uri}|{settings.home.absolute()}"
        parts = [self.name, place, provenance.code_digest(), provenance.lock_digest()]
        parts += [f"{name}={_canonical(value)}" for name, value in sorted(parameters.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def step(
    *,
    retries: int = 0,
    retry_delay_seconds: float | list[float] = 0,
    cached: bool | Callable[..., bool] = False,
    timeout_seconds: float | None = None,
) -> Callable[[Callable[P, R]], Step[P, R]]:
    """Make a function a `Step`.

    With *cached* the same inputs, code and lock give the stored result; a callable gets the step's arguments and
    says whether that is sound. An error that Regrow raises on purpose is not retried: the same input gives it again.
    """

    def decorate(function: Callable[P, R]) -> Step[P, R]:
        policy = {
            "retries": retries,
            "retry_delay_seconds": retry_delay_seconds,
            "timeout_seconds": timeout_seconds,
            "retry_condition_fn": _may_pass_later,
        }
        return Step(function, cached, policy)

    return decorate


@contextlib.contextmanager
def flow_run(
    project: Project, trigger: str = "manual", as_of: datetime | None = None
) -> Iterator[FlowRecord]:
    """Open the parent MLflow run of the flow run that is running, and close it with the flow's outcome.

    Runs that died without closing are closed first. Raises `Unreachable` where MLflow does not answer.
    """
    client = connect()
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow is None:
        raise RegrowError(
            "lineage.flow_run is opened within a Prefect flow; decorate the function with @flow"
        )
    flow_run_id, flow_name = str(context.flow_run.id), context.flow.name
    moment = _utc(as_of or context.flow_run.expected_start_time or datetime.now(UTC))
    experiment_id = find_experiment(client, project.name)
    sweep(client, experiment_id)
    tags = _flow_tags(project, flow_run_id, flow_name, trigger, moment)
    opened = _open(client, experiment_id, flow_run_id, f"{flow_name} {moment:%Y-%m-%d}", tags)
    record = FlowRecord(client, opened.run_id, experiment_id, flow_run_id, moment, trigger)
    client.log_artifact(record.run_id, str(project.path), "project")
    if record.url:
        create_link_artifact(
            link=record.url, link_text=f"MLflow run of {flow_name} {project.name}", key="mlflow-run"
        )
    try:
        yield record
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        record.tag(error=f"{type(error).__name__}: {error}")
        client.set_terminated(record.run_id, status)
        raise
    client.set_terminated(record.run_id, "FINISHED")


def find_experiment(client: MlflowClient, name: str) -> str:
    """Give the id of the experiment *name*, creating it with an absolute place for its artifacts."""
    known = (load_settings().tracking_uri, name)
    if known not in _experiments:
        _experiments[known] = _find_or_create_experiment(client, name)
    return _experiments[known]


def _find_or_create_experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found:
        return found.experiment_id
    remote = load_settings().tracking_uri.startswith("http")
    location = None if remote else (load_settings().home.absolute() / "artifacts" / name).as_uri()
    try:
        return client.create_experiment(name, artifact_location=location)
    except MlflowException:
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found.experiment_id


def sweep(client: MlflowClient, experiment_id: str) -> None:
    """Clear up after the processes of *experiment_id* that died: their runs, models, and half-written snapshots.

    A run is closed last, so that a sweep that dies too is done again.
    """
    remove_partials()
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        tags = run.data.tags
        if PROCESS not in tags or not provenance.has_died(tags[PROCESS]):
            continue
        _fail_unfinished_models(client, experiment_id, run.info.run_id)
        if "/" not in tags.get(KEY, "/"):
            _mark_crashed(tags[KEY], tags[PROCESS])
        client.set_terminated(run.info.run_id, "KILLED")


def run_url(experiment_id: str, run_id: str) -> str | None:
    """Give the page of the MLflow run *run_id*; None where MLflow is used without a server."""
    uri = load_settings().tracking_uri
    return f"{uri}/#/experiments/{experiment_id}/runs/{run_id}" if uri.startswith("http") else None


def time_range(snapshot: Snapshot) -> dict[str, str]:
    """Give the time range of *snapshot* as ISO texts."""
    if snapshot.start is None or snapshot.end is None:
        return {}
    return {"start": snapshot.start.isoformat(), "end": snapshot.end.isoformat()}


def _body(function: Callable[P, R], name: str) -> Callable[P, Recorded[R]]:
    """Wrap *function* so that it runs within its nested MLflow run.

    The wrapper travels to processes and Dask workers by value: it refers to nothing but `run_recorded`.
    """

    @functools.wraps(function)
    def recorded(*args: P.args, **kwargs: P.kwargs) -> Recorded[R]:
        return run_recorded(function, name, args, kwargs)

    return recorded


def run_recorded(
    function: Callable[..., R], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Recorded[R]:
    """Run step *function* within its nested MLflow run, and close the run with the outcome."""
    task_run = cast(Any, TaskRunContext.get()).task_run
    record = _open_step(_project_of(args, kwargs), str(task_run.flow_run_id), name, str(task_run.id))
    if record.url:
        get_run_logger().info("MLflow run of %s: %s", name, record.url)
    token = _current.set(record)
    try:
        value = function(*args, **kwargs)
    except BaseException as error:
        record.tag(error=f"{type(error).__name__}: {error}")
        record.client.set_terminated(record.run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    finally:
        _current.reset(token)
    record.client.set_terminated(record.run_id, "FINISHED")
    return Recorded(str(task_run.flow_run_id), record.run_id, value)


def _open_step(project: Project, flow_run_id: str, name: str, task_run_id: str | None) -> RunRecord:
    """Open the nested run of step *name*."""
    client = connect()
    experiment_id = find_experiment(client, project.name)
    parent = _find(client, experiment_id, flow_run_id)
    tags = {"regrow.step": name, "prefect.flow_run_id": flow_run_id}
    if parent:
        tags["mlflow.parentRunId"] = parent.info.run_id
    if task_run_id:
        tags["prefect.task_run_id"] = task_run_id
        tags["prefect.url"] = f"{load_settings().prefect_ui_url}/runs/task-run/{task_run_id}"
    return _open(client, experiment_id, f"{flow_run_id}/{name}", name, tags)


def _record_cached(project: Project, flow_run_id: str, name: str, run_id: str) -> None:
    """Record on the flow run's lineage that step *name* was not run again: *run_id* did its work."""
    record = _open_step(project, flow_run_id, name, None)
    record.set_tags({CACHED: run_id, "mlflow.note.content": f"Cached: the work was done by run {run_id}."})
    record.client.set_terminated(record.run_id, "FINISHED")


def _open(client: MlflowClient, experiment_id: str, key: str, name: str, tags: dict[str, str]) -> RunRecord:
    """Find the run of *key* and set it running again, or create it."""
    alive = {KEY: key, PROCESS: provenance.process_identity(), **tags}
    found = _find(client, experiment_id, key)
    if found is None:
        run = client.create_run(experiment_id, run_name=name, tags=alive)
        return RunRecord(client, run.info.run_id, experiment_id)
    record = RunRecord(client, found.info.run_id, experiment_id)
    client.update_run(found.info.run_id, status="RUNNING")
    record.set_tags(alive)
    return record


def _find(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """Find the oldest run of *key*."""
    found = client.search_runs(
        [experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1, order_by=["attributes.start_time ASC"]
    )
    return found[0] if found else None


def _flow_tags(
    project: Project, flow_run_id: str, flow: str, trigger: str, as_of: datetime
) -> dict[str, str]:
    """Say where a flow run stands in Prefect and what it was made from."""
    return {
        "regrow.flow": flow,
        "regrow.trigger": trigger,
        "regrow.as_of": as_of.isoformat(),
        "regrow.project": project.digest,
        "regrow.lock": provenance.lock_digest(),
        "regrow.code": provenance.code_digest(),
        "regrow.seed": str(project.training.seed),
        "prefect.flow_run_id": flow_run_id,
        "prefect.url": f"{load_settings().prefect_ui_url}/runs/flow-run/{flow_run_id}",
        **{f"regrow.{name}": value for name, value in provenance.git_state(project.path.parent).items()},
    }


def _fail_unfinished_models(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    """Mark the models that run *run_id* began to log and never finished."""
    logged = client.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run_id}'")
    for model in logged:
        if model.status == LoggedModelStatus.PENDING:
            client.finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)


def _mark_crashed(flow_run_id: str, identity: str) -> None:
    """Tell Prefect that the flow run's process is gone, unless it knows of an end already."""
    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(uuid.UUID(flow_run_id))
        except ObjectNotFound:
            return
        if run.state is not None and run.state.is_running():
            client.set_flow_run_state(run.id, Crashed(message=f"the process {identity} is gone"), force=True)


def _may_pass_later(task: object, task_run: object, state: Any) -> bool:
    """Say whether a retry can help: not where the error says that the input is wrong."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, RegrowError)


def _once_more(write: Callable[[], None]) -> None:
    """Repeat *write* once: two runs that link one dataset at the same moment collide in MLflow's store."""
    try:
        write()
    except MlflowException:
        write()


def _project_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Project:
    """Give the project among a step's arguments: the first, or the one named so."""
    return args[0] if args else kwargs["project"]


def _canonical(value: object) -> str:
    """Write *value* so that equal values give equal texts."""
    if isinstance(value, Project):
        return value.digest
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, sort_keys=True, default=repr)


def _utc(moment: datetime) -> datetime:
    """Read *moment* as UTC where it names no time zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


__all__ = ["FlowRecord", "RunRecord", "Step", "current", "flow_run", "run_url", "step", "sweep"]
