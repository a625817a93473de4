"""What a flow run came to is told, once, with its cause and the pages that hold more."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.schemas.objects import FlowRun
from prefect.states import Crashed, Failed

from regrow.base.errors import DataError, RegrowError, Unreachable
from regrow.base.settings import Settings
from regrow.lineage import announcing
from regrow.lineage.announcing import (
    announce,
    announce_death,
    announce_failure,
    announce_missed,
    announce_move,
    cause_of,
    find_links,
    started_by,
)
from regrow.notifications.event import Event
from regrow.project import Project
from regrow.registry import Move, State

NOW = datetime(2024, 3, 1, tzinfo=UTC)


@flow(name="monitor")
def monitoring(config: str = "", trigger: str = "manual") -> None:
    """Stand for a flow."""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Return the events that are told; no server is asked."""
    events: list[Event] = []
    monkeypatch.setattr(announcing, "emit", lambda event, *_, **__: events.append(event))
    monkeypatch.setattr(announcing, "find_links", lambda *_: {"Prefect run": "page"})
    monkeypatch.setattr(announcing, "why_silent", lambda *_, **__: "away")
    return events


def run_of(project: Project, trigger: str = "schedule", **more: Any) -> FlowRun:
    return FlowRun(flow_id=uuid4(), parameters={"config": str(project.path), "trigger": trigger}, **more)


def test_what_is_told_names_the_run_that_is_running(
    told: list[Event], project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flow run, trigger, file and pages are those of the run; told again it is the same event."""
    made, run = project(), None
    run = run_of(made)
    monkeypatch.setattr(announcing.FlowRunContext, "get", lambda: SimpleNamespace(flow_run=run))
    for _ in range(2):
        announce(made, "version.registered", "to be judged", about="version 3", figures={"roc_auc": 0.7})
    first, second = told
    assert first.id == second.id
    assert (first.flow_run, first.cause, first.trigger) == (str(run.id), str(run.id), "schedule")
    assert (first.config, first.severity, first.links) == (str(made.path), "info", {"Prefect run": "page"})
    announce(made, "version.registered", "to be judged", about="version 4")
    assert told[-1].id != first.id


@pytest.mark.parametrize(
    ("kind", "champion", "expected"),
    [
        ("promote", 2, "version.promoted"),
        ("finish", 2, "version.promoted"),
        ("finish", 1, "version.refused"),
        ("roll back", 1, "version.rolled-back"),
        ("put back", 1, "version.rolled-back"),
        ("start", 1, None),
        ("pause", 1, None),
    ],
)
def test_a_move_is_told_as_what_it_means(
    told: list[Event], project: Callable[..., Project], kind: str, champion: int, expected: str | None
) -> None:
    """What changes who serves, or ends a rollout, is told once, with who moved; the steps between are not."""
    move = Move.model_validate(
        {
            "number": 5, "id": "m5", "at": NOW, "as_of": NOW, "actor": "ada at desk", "reason": "why", "kind": kind,
            "version": 2, "before": 1, "state": State(champion=champion, move=5),
        }
    )  # fmt: skip
    made = project()
    announce_move(made, move)
    announce_move(made, move)
    assert [event.kind for event in told] == ([expected] * 2 if expected else [])
    if expected:
        assert told[0].id == told[1].id
        assert (told[0].about, told[0].reason, told[0].trigger) == ("version 2", "why", "ada at desk")


def test_a_failure_is_told_with_its_error_and_once(
    told: list[Event], project: Callable[..., Project]
) -> None:
    """The hook tells the error's own words; that the process died, found later, is the same event."""
    made = project()
    run = run_of(made)
    announce_failure(monitoring, run, Failed(data=DataError("rows.csv: no rows")))
    announce_failure(monitoring, run, Crashed(message="exit code -9"))
    tags = {"prefect.flow_run_id": str(run.id), "regrow.flow": "monitor", "regrow.trigger": "schedule"}
    announce_death(made, SimpleNamespace(data=SimpleNamespace(tags=tags)))  # pyright: ignore[reportArgumentType]
    assert {event.id for event in told} == {told[0].id}
    assert {event.kind for event in told} == {"run.failed"}
    assert [event.reason for event in told[:2]] == ["rows.csv: no rows", "exit code -9"]
    assert (told[0].model, told[0].about, told[0].flow_run) == (made.name, "monitor", str(run.id))


def test_a_failed_training_has_a_kind_of_its_own(told: list[Event], project: Callable[..., Project]) -> None:
    """So does a broken project file, which names no model."""
    made = project()
    training = monitoring.with_options(name="retrain")
    announce_failure(training, run_of(made), Failed(data=ValueError("bad")))
    assert (told[0].kind, told[0].reason) == ("training.failed", "ValueError: bad")
    made.path.write_text("name: [")
    announce_failure(training, run_of(made), Failed(data=ValueError("bad")))
    assert (told[1].model, told[1].about) == (None, f"retrain of {made.path.name}")


def test_a_flow_of_all_models_has_no_file(told: list[Event]) -> None:
    """A tidying that failed is told by its name: a year of them, told to nobody, would fill the disk."""
    run = FlowRun(flow_id=uuid4(), parameters={"trigger": "schedule"})
    announce_failure(monitoring.with_options(name="tidy"), run, Failed(data=RegrowError("a lock is held")))
    assert (told[0].model, told[0].about, told[0].config) == (None, "tidy", None)
    assert told[0].reason == "a lock is held"


@pytest.mark.parametrize("name", ["train", "monitor", "retrain", "score", "rollout", "rollback", "tidy"])
def test_every_flow_tells_its_failure(name: str) -> None:
    """No flow fails or crashes in silence."""
    made = getattr(import_module(f"flows.{name}"), name)
    assert announce_failure in made.on_failure_hooks
    assert announce_failure in made.on_crashed_hooks


def test_a_file_that_was_not_deployed_is_not_loaded(
    told: list[Event], project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run of a deployment that names another file fails without running what stands in it."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    monkeypatch.setattr(announcing, "load_project", lambda _: pytest.fail("loaded"))
    run = run_of(project(), deployment_id=uuid4())
    announce_failure(monitoring, run, Crashed(message="not deployed"))
    assert (told[0].model, told[0].reason) == (None, "not deployed")


def test_runs_that_fail_by_one_outage_have_one_cause() -> None:
    """Twenty models whose server is away are one message; each error of the data is its own."""
    away = [Unreachable("MLflow does not answer at http://x") for _ in range(2)]
    assert len({cause_of(error, f"run-{place}") for place, error in enumerate(away)}) == 1
    assert cause_of(DataError("no rows"), "run-1") == "run-1"
    assert cause_of(None, "run-1") == "run-1"


def test_who_started_a_run_is_known(project: Callable[..., Project]) -> None:
    """By its trigger; a person by name at the keyboard, not in Prefect's pages."""
    made = project()
    assert started_by(run_of(made)) == "schedule"
    assert " at " in started_by(run_of(made, "manual"))
    assert started_by(run_of(made, "manual", deployment_id=uuid4())) == "a person, in Prefect"


def test_without_mlflow_the_page_in_prefect_is_linked(
    told: list[Event], project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event is told although MLflow is away."""

    def away(*_: object) -> dict[str, str]:
        raise RegrowError("MLflow is away")

    monkeypatch.setattr(announcing, "find_links", away)
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect/api")
    run = run_of(project())
    announce_failure(monitoring, run, Crashed(message="gone"))
    assert told[0].links == {"Prefect run": f"http://prefect/runs/flow-run/{run.id}"}


@pytest.mark.parametrize(
    ("known", "server", "names"),
    [
        ({"flow": "r1", "flow/measure_drift": "r2"}, True, ["Prefect run", "MLflow run", "report"]),
        ({"flow": "r1", "flow/measure_drift": "quiet"}, True, ["Prefect run", "MLflow run"]),
        ({"flow": "r1"}, True, ["Prefect run", "MLflow run"]),
        ({}, True, ["Prefect run"]),
        ({"flow": "r1", "flow/measure_drift": "r2"}, False, ["Prefect run"]),
    ],
)
def test_only_pages_that_exist_are_linked(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, str], server: bool, names: list[str]
) -> None:
    """A run that was not found, a report that was not written, or an MLflow without a server has no page."""

    def find_run(_: object, experiment: str, key: str) -> SimpleNamespace | None:
        if key not in known:
            return None
        tags = {} if known[key] == "quiet" else {"regrow.report": "report.html"}
        return SimpleNamespace(info=SimpleNamespace(run_id=known[key]), data=SimpleNamespace(tags=tags))

    monkeypatch.setenv("PREFECT_API_URL", "http://prefect/api")
    monkeypatch.setattr(announcing, "connect", lambda: "client")
    monkeypatch.setattr(announcing, "find_experiment", lambda _, name: f"of {name}")
    monkeypatch.setattr(announcing, "find_run", find_run)
    monkeypatch.setattr(
        announcing, "run_url", lambda experiment, run: f"{experiment}, {run}" if server else None
    )
    links = find_links(Settings(), "demo", "flow")
    pages = {
        "Prefect run": "http://prefect/runs/flow-run/flow",
        "MLflow run": "of demo, r1",
        "report": "of demo, r2/artifacts/report.html",
    }
    assert links == {name: pages[name] for name in names}


def test_a_missed_schedule_is_told_once(told: list[Event], project: Callable[..., Project]) -> None:
    """With how often, and the newest moment; found again it is the same event."""
    made, due = project(), {NOW, NOW.replace(day=2)}
    for _ in range(2):
        announce_missed(made, "monitor", "due 2 times without a run", due)
    assert {event.id for event in told} == {told[0].id}
    assert (told[0].kind, told[0].about, told[0].figures) == ("schedule.missed", "monitor", {"missed": 2})
    assert (told[0].as_of, told[0].trigger) == (NOW.replace(day=2), "schedule")
