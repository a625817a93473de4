"""An event is told to Prefect and kept for those who asked for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import prefect.events
import pytest

from regrow.base.settings import load_settings
from regrow.notifications.emitting import emit, emit_of_machine, targets_of
from regrow.notifications.event import Event
from regrow.notifications.outbox import Outbox
from regrow.project import Project, Target


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the events that Prefect is told of; the state folder is the test's own."""
    events: list[dict[str, Any]] = []
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(
        prefect.events, "emit_event", lambda name, **more: events.append({"name": name, **more})
    )
    return events


def test_prefect_gets_the_whole_event(told: list[dict[str, Any]], make_event: Callable[..., Event]) -> None:
    """Name, resource, id and payload are the event's own; without a target nothing is kept."""
    event = make_event()
    emit(event)
    [got] = told
    assert (got["name"], got["id"], got["resource"]) == ("regrow.alarm", event.id, event.resource)
    assert Event.model_validate(got["payload"]) == event
    assert not Outbox(load_settings().home).folder.exists()


def test_targets_of_the_machine_and_of_the_model_are_told_once_each(
    told: list[dict[str, Any]],
    make_event: Callable[..., Event],
    project: Callable[..., Project],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By severity and kind; an address that both name is told once."""
    file = tmp_path / "targets.yaml"
    file.write_text("- {url_env: OPS}\n- {url_env: BOTH}\n- {url_env: URGENT, severity: error}\n")
    monkeypatch.setenv("REGROW_NOTIFICATIONS", str(file))
    made = project(notifications=[{"url_env": "TEAM"}, {"url_env": "BOTH", "quiet": "1h"}])
    emit(make_event(), made)
    kept = Outbox(load_settings().home).queued()
    assert sorted(each.target.key for each in kept) == ["env-BOTH", "env-OPS", "env-TEAM"]


def test_what_cannot_be_kept_stops_nothing(
    told: list[dict[str, Any]],
    make_event: Callable[..., Event],
    project: Callable[..., Project],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A full disk, or a broken file of targets, is logged; the event goes to Prefect and the work goes on."""
    load_settings().home.mkdir()
    (load_settings().home / "notifications").write_text("in the way")
    monkeypatch.setenv("REGROW_NOTIFICATIONS", "/nowhere/targets.yaml")
    made = project(notifications=[{"url_env": "TEAM"}])
    emit(make_event(), made)
    assert len(told) == 1
    assert "told to nobody" in caplog.text
    assert targets_of(load_settings(), made) == (Target(url_env="TEAM"),)
    assert "/nowhere/targets.yaml" in caplog.text


def test_what_is_seen_each_minute_is_told_once(
    told: list[dict[str, Any]], make_event: Callable[..., Event]
) -> None:
    """An event of the machine that was told is not told to Prefect again."""
    event = make_event("disk.nearly-full", model=None)
    emit_of_machine(event)
    emit_of_machine(event)
    assert len(told) == 1


def test_later_needs_no_prefect(told: list[dict[str, Any]], make_event: Callable[..., Event]) -> None:
    """The event waits in the outbox for the runner, who tells Prefect."""
    event = make_event("part.restarted", model=None)
    emit(event, later=True)
    assert told == []
    assert Outbox(load_settings().home).put_off_events() == [event]
