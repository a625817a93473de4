"""Lineage under retries and task runners, on a real Prefect server and a real MLflow store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from prefect import flow
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
from prefect_dask.task_runners import DaskTaskRunner

from regrow import registry
from regrow.base.errors import DataError
from regrow.base.settings import load_settings
from regrow.lineage import current, flow_run, step
from regrow.project import Project


@step(retries=2)
def flaky_task(project: Project, folder: Path, number: int) -> int:
    """Fail the first time that it runs in *folder*."""
    current().log_metrics({"number": number})
    marker = folder / f"task-{number}"
    if not marker.exists():
        marker.touch()
        raise ConnectionResetError("first attempt")
    return number * 2


@step()
def steady(project: Project, number: int) -> int:
    """Return the number."""
    return number


@step(cached=True)
def remembered(project: Project, folder: Path, number: int) -> int:
    """Count the times that its body runs."""
    with (folder / "bodies").open("a") as stream:
        stream.write("x")
    return number


def state_of(project: Project, folder: Path) -> str | None:
    """Return the state of a source: what stands in a file; None if that is nothing."""
    file = folder / "state"
    if not file.exists():
        raise DataError(f"{file} is gone")
    return file.read_text() or None


@step(cached=state_of)
def watching(project: Project, folder: Path) -> int:
    """Count the times that its body runs."""
    with (folder / "bodies").open("a") as stream:
        stream.write("x")
    return len((folder / "bodies").read_text())


def runs_of(project: Project) -> list[Any]:
    client = registry.connect()
    experiment = client.get_experiment_by_name(project.name)
    assert experiment
    return list(client.search_runs([experiment.experiment_id]))


LONG = pytest.mark.long
RUNNERS: dict[str, Callable[[], Any]] = {
    "threads": lambda: ThreadPoolTaskRunner(max_workers=4),
    "processes": lambda: ProcessPoolTaskRunner(max_workers=2),
    "dask": lambda: DaskTaskRunner(
        cluster_kwargs={"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
    ),
}


@pytest.mark.parametrize(
    "runner", ["threads", *(pytest.param(each, marks=LONG) for each in ("dask", "processes"))]
)
def test_one_run_per_flow_run_and_step(runner: str, services: Any, project: Any, tmp_path: Path) -> None:
    """A task and a flow that are forced to retry leave one parent run and one nested run per step, none RUNNING."""
    model = project()

    @flow(retries=1, task_runner=RUNNERS[runner]())
    def twice() -> int:
        with flow_run(model):
            first = flaky_task.submit(model, tmp_path, 3)
            second = steady.submit(model, 4)
            total = first.result() + second.result()
            if not (tmp_path / "flow").exists():
                (tmp_path / "flow").touch()
                raise OSError("first attempt of the flow")
            return total

    assert twice() == 10
    runs = runs_of(model)
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    nested = sorted(run.data.tags["regrow.step"] for run in runs if "mlflow.parentRunId" in run.data.tags)
    assert len(parents) == 1
    assert nested == ["flaky_task", "steady"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(
        run.data.tags["mlflow.parentRunId"] == parents[0].info.run_id for run in runs if run not in parents
    )


def test_cached_step_points_to_its_work(services: Any, project: Any, tmp_path: Path) -> None:
    """A step whose result is stored runs no second time, and its nested run names the run that did the work."""
    model = project()

    @flow
    def cached() -> int:
        with flow_run(model):
            return remembered(model, tmp_path, 1)

    assert (cached(), cached()) == (1, 1)
    nested = [run for run in runs_of(model) if run.data.tags.get("regrow.step") == "remembered"]
    pointing = [run for run in nested if "regrow.cached_from" in run.data.tags]
    assert (tmp_path / "bodies").read_text() == "x"
    assert len(nested) == 2
    assert [run.data.tags["regrow.cached_from"] for run in pointing] == [
        run.info.run_id for run in nested if run not in pointing
    ]


def test_a_changed_source_is_read_again(services: Any, project: Any, tmp_path: Path) -> None:
    """The stored result serves while the source says the same; if it says another thing, or nothing, the body runs."""
    model, state = project(), tmp_path / "state"

    @flow
    def watched() -> int:
        with flow_run(model):
            return watching(model, tmp_path)

    state.write_text("one")
    assert (watched(), watched()) == (1, 1)
    state.write_text("two")
    assert (watched(), watched()) == (2, 2)
    state.write_text("")
    assert (watched(), watched()) == (3, 4)
    state.unlink()
    assert watched() == 5


@pytest.mark.parametrize("kept", [0, 40, 0.5], ids=["emptied", "cut in its head", "cut in half"])
def test_stored_result_that_was_cut_short_is_made_again(
    kept: float, services: Any, project: Any, tmp_path: Path
) -> None:
    """A kill while Prefect writes a step's result leaves part of a file: the next run does the work again."""
    model = project()

    @flow
    def cached() -> int:
        with flow_run(model):
            return remembered(model, tmp_path, 1)

    results = Path(load_settings().home, "results")
    before = set(results.rglob("*"))
    assert cached() == 1
    (stored,) = set(results.rglob("*")) - before
    whole = stored.read_bytes()
    stored.write_bytes(whole[: int(kept if kept >= 1 else kept * len(whole))])
    assert (cached(), cached()) == (1, 1)
    assert (tmp_path / "bodies").read_text() == "xx"


def test_failure_closes_every_run(services: Any, project: Any) -> None:
    """A flow that fails leaves its parent run FAILED with the error, and none RUNNING."""
    model = project()

    @flow
    def failing() -> None:
        with flow_run(model):
            raise ValueError("no such luck")

    with pytest.raises(ValueError, match="no such luck"):
        failing()
    (run,) = runs_of(model)
    assert run.info.status == "FAILED"
    assert "no such luck" in run.data.tags["regrow.error"]


def test_dead_process_is_swept(services: Any, project: Any) -> None:
    """A run whose process is gone is closed as KILLED by the next flow run of its model."""
    model = project()
    client: MlflowClient = registry.connect()

    @flow
    def empty() -> None:
        with flow_run(model):
            pass

    empty()
    (run,) = runs_of(model)
    host = run.data.tags["regrow.process"].split(":")[0]
    client.set_tag(run.info.run_id, "regrow.process", f"{host}:999999:1.00")
    client.update_run(run.info.run_id, status="RUNNING")
    empty()
    assert sorted(found.info.status for found in runs_of(model)) == ["FINISHED", "KILLED"]
