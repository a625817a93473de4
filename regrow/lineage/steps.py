"""The `step` decorator: a Prefect task that is also a nested MLflow run."""

import functools
import hashlib
import json
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Generic, ParamSpec, TypeVar, cast

from prefect import Task, get_run_logger
from prefect.context import FlowRunContext, TaskRunContext
from prefect.futures import PrefectFuture
from pydantic import BaseModel

from regrow.base import provenance
from regrow.base.errors import RegrowError
from regrow.base.settings import load_settings
from regrow.data.stores import check_stores
from regrow.lineage.outages import may_pass
from regrow.lineage.record import RunRecord
from regrow.lineage.runs import FLOW_RUN, find_experiment, find_parent, open_run
from regrow.lineage.stored_results import Recorded, results_of
from regrow.project import Project
from regrow.registry import connect

P = ParamSpec("P")
R = TypeVar("R")
CACHED = "regrow.cached_from"
_current: ContextVar[RunRecord] = ContextVar("current_step")


def current() -> RunRecord:
    """Return the MLflow run of the step whose body is running."""
    return _current.get()


class StepFuture(Generic[R]):
    """The result of a step that was handed to a task runner, once it is there."""

    def __init__(self, step: "Step[Any, R]", project: Project, future: PrefectFuture[Recorded[R]]) -> None:
        self._step, self._project, self.future = step, project, future

    def result(self, timeout: float | None = None) -> R:
        """Wait *timeout* seconds at most for the step's result."""
        return self._step.receive(self._project, self.future.result(timeout=timeout))


class Step(Generic[P, R]):
    """A function that is a Prefect task and a nested MLflow run; its first argument is the project."""

    def __init__(
        self, function: Callable[P, R], cached: bool | Callable[..., str | None], policy: dict[str, Any]
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = function.__name__
        self.cached = cached
        self.task: Task[P, Recorded[R]] = Task(
            fn=_body(function, self.name),
            name=self.name,
            persist_result=True,
            result_serializer=results_of(function),
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
        """Return the value of *recorded*; one that another flow run made is recorded on this one as cached."""
        flow_run_id = str(cast(Any, FlowRunContext.get()).flow_run.id)
        if recorded.flow_run_id != flow_run_id:
            _record_cached(project, flow_run_id, self.name, recorded.run_id)
        return recorded.value

    def _cache_key(self, context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
        """Hash what determines the result; None (never cached) if the step cannot tell what does."""
        try:
            more = self.cached(**parameters) if callable(self.cached) else ""
        except RegrowError:  # The step itself fails with the same error, and says so.
            more = None
        if more is None:
            return None
        settings = load_settings()
        place = f"{settings.tracking_uri}|{settings.store_root}"
        parts = [self.name, place, provenance.code_digest(), provenance.environment_digest(), more]
        parts += [f"{name}={_canonical(value)}" for name, value in sorted(parameters.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def step(
    *,
    retries: int = 0,
    retry_delay_seconds: float | list[float] = 0,
    cached: bool | Callable[..., str | None] = False,
    timeout_seconds: float | None = None,
) -> Callable[[Callable[P, R]], Step[P, R]]:
    """Make a function a `Step`.

    With *cached* the same inputs, code and lock give the stored result; a callable gets the step's arguments and
    returns what else determines the result, such as the state of a source, or None if nobody can tell. Only an
    outage is retried (`regrow.lineage.outages`): the same input gives any other error again.
    """

    def decorate(function: Callable[P, R]) -> Step[P, R]:
        policy = {
            "retries": retries,
            "retry_delay_seconds": retry_delay_seconds,
            "timeout_seconds": timeout_seconds,
            "retry_condition_fn": failed_by_outage,
        }
        return Step(function, cached, policy)

    return decorate


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
    tags = _task_tags(str(task_run.id))
    record = _open_step(_project_of(args, kwargs), str(task_run.flow_run_id), name, tags)
    if record.url:
        get_run_logger().info("MLflow run of %s: %s", name, record.url)
    token = _current.set(record)
    try:
        check_stores(load_settings())
        value = function(*args, **kwargs)
    except BaseException as error:
        record.tag(error=f"{type(error).__name__}: {error}")
        record.client.set_terminated(record.run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    finally:
        _current.reset(token)
    record.client.set_terminated(record.run_id, "FINISHED")
    return Recorded(str(task_run.flow_run_id), record.run_id, value)


def _open_step(project: Project, flow_run_id: str, name: str, tags: dict[str, str]) -> RunRecord:
    """Open the nested run of step *name* with *tags*."""
    client = connect()
    experiment_id = find_experiment(client, project.name)
    told = {"regrow.step": name, FLOW_RUN: flow_run_id, **tags}
    parent = find_parent(client, experiment_id, flow_run_id)
    if parent:
        told["mlflow.parentRunId"] = parent
    run_id = open_run(client, experiment_id, f"{flow_run_id}/{name}", name, told)
    return RunRecord(client, run_id, experiment_id)


def _task_tags(task_run_id: str) -> dict[str, str]:
    """Return the tags that say where a step stands in Prefect."""
    url = f"{load_settings().prefect_ui_url}/runs/task-run/{task_run_id}"
    return {"prefect.task_run_id": task_run_id, "prefect.url": url}


def _record_cached(project: Project, flow_run_id: str, name: str, run_id: str) -> None:
    """Record on the flow run that step *name* was not run again: *run_id* did its work."""
    note = f"Cached: the work was done by run {run_id}."
    record = _open_step(project, flow_run_id, name, {CACHED: run_id, "mlflow.note.content": note})
    record.client.set_terminated(record.run_id, "FINISHED")


def failed_by_outage(task: object, task_run: object, state: Any) -> bool:
    """Return whether a retry of the task that ended in *state* can help."""
    return may_pass(state.result(raise_on_failure=False))


def _project_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Project:
    """Return the project among a step's arguments: the first one, or the one named `project`."""
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
