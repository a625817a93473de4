"""Reading back what the flows of the demonstration did."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Failed, Running

from regrow.base.errors import Unreachable
from regrow.demo import orchestrator

MOMENT = datetime(2013, 5, 1, tzinfo=UTC)
PROJECT: Any = SimpleNamespace(name="flights", path=Path("/configs/flights.yaml"))


def run(state: Any = None) -> FlowRun:
    return FlowRun(flow_id="00000000-0000-0000-0000-000000000001", name="bold-owl", state=state)  # pyright: ignore[reportArgumentType]


def test_a_flow_is_run_by_its_deployment_as_of_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment is asked with file, moment and trigger, as a schedule's run would be."""
    asked: dict[str, Any] = {}

    def answer(name: str, **given: Any) -> FlowRun:
        asked.update(given, name=name)
        return run(Completed())

    monkeypatch.setattr(orchestrator, "run_deployment", answer)
    found = orchestrator.run_flow("train", PROJECT, MOMENT, "demo")
    assert found.state is not None
    assert asked["name"] == "train/flights"
    assert asked["parameters"] == {
        "config": "/configs/flights.yaml",
        "as_of": "2013-05-01T00:00:00+00:00",
        "trigger": "demo",
    }


def test_a_command_that_fails_is_told_in_its_own_words() -> None:
    """What a command of `regrow` says of its failure is the demonstration's error."""
    with pytest.raises(Unreachable, match=r"regrow check missing\.yaml: error: .*missing\.yaml"):
        orchestrator.run_command("check", "missing.yaml")
    orchestrator.run_command("--help")


@pytest.mark.parametrize("state", [Failed(message="no room"), Running(), None])
def test_a_run_that_does_not_complete_is_told_with_where_to_look(
    monkeypatch: pytest.MonkeyPatch, state: Any
) -> None:
    """The error names the run, its state and the log."""
    monkeypatch.setattr(orchestrator, "run_deployment", lambda *_, **__: run(state))
    with pytest.raises(Unreachable, match=r"train run bold-owl ended in .*runner\.log"):
        orchestrator.run_flow("train", PROJECT, MOMENT, "demo")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let Prefect show these runs of the retraining, one after the other."""

    def install(*runs: FlowRun | None) -> None:
        told = iter(runs)
        client = SimpleNamespace(read_flow_run=lambda _id: next(told))
        monkeypatch.setattr(orchestrator, "POLL", 0)
        monkeypatch.setattr(orchestrator, "get_client", lambda **_: nullcontext(client))
        monkeypatch.setattr(orchestrator, "_latest", lambda *_: next(told))

    return install


def test_the_retraining_is_waited_for(found: Callable[..., None]) -> None:
    """It appears, runs, and ends; its last state is returned."""
    found(None, run(Running()), run(Running()), run(Completed()))
    ended = orchestrator.await_retraining(PROJECT, MOMENT)
    assert ended.state is not None
    assert ended.state.is_completed()


def test_a_retraining_that_never_starts_is_told(
    monkeypatch: pytest.MonkeyPatch, found: Callable[..., None]
) -> None:
    """The wait has an end."""
    found(None)
    monkeypatch.setattr(orchestrator, "ALARM_TIMEOUT", -1.0)
    with pytest.raises(Unreachable, match="the alarm on flights started no retraining"):
        orchestrator.await_retraining(PROJECT, MOMENT)


def test_a_report_is_named_from_the_state_folder(tmp_path: Path) -> None:
    """The page links it by a relative path, so that the folder can be moved; a run without alarm wrote none."""
    found: Any = SimpleNamespace(info=SimpleNamespace(artifact_uri=f"file://{tmp_path}/artifacts/7"))
    assert orchestrator.report_path(tmp_path, found) is None
    (tmp_path / "artifacts/7").mkdir(parents=True)
    (tmp_path / "artifacts/7/report.html").touch()
    assert orchestrator.report_path(tmp_path, found) == "artifacts/7/report.html"
