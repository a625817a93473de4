"""The event that an alarm emits."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from prefect.events import Resource

from deployments.automations import on_alarm
from regrow.base.verdict import Finding, Subject
from regrow.decisions.alarm import judge_window
from regrow.lineage import announcing
from regrow.notifications.event import Event
from regrow.project import Project
from tasks import raise_alarm as module
from tasks.raise_alarm import raise_alarm

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def alarm(
    project: Callable[..., Project], remember: Callable[[ModuleType], Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Project, Event, Any]]:
    """Raise the alarm of findings of some subjects; return the project, the event and the step's record."""
    announce = module.announce
    events: list[Event] = []
    monkeypatch.setattr(announcing, "emit", lambda event, *_, **__: events.append(event))
    monkeypatch.setattr(announcing, "why_silent", lambda *_, **__: "away")

    def make(*subjects: Subject, as_of: datetime = AS_OF) -> tuple[Project, Event, Any]:
        record, made = remember(module), project()
        monkeypatch.setattr(module, "announce", announce)
        found = [
            Finding(rule=f"{one} below 0.2", subject=one, result="fail", figure=0.4, detail="size moved")
            for one in subjects
        ]
        passed = Finding(rule="r", result="pass", figure=1.0)
        raise_alarm.function(made, judge_window([*found, passed]), as_of, "run-1")
        return made, events[-1], record

    return make


@pytest.mark.parametrize(("subject", "answered_by"), [("drift", "retraining"), ("quality", "person")])
def test_the_event_says_why_and_who_acts(
    alarm: Callable[..., Any], subject: Subject, answered_by: str
) -> None:
    """Cause, reason, moment, figures and who is asked to act; an alarm for a person is an error."""
    made, event, _ = alarm(subject)
    assert (event.kind, event.causes, event.about, event.acts) == ("alarm", (subject,), subject, answered_by)
    assert (event.config, event.as_of, event.run) == (str(made.path), AS_OF, "run-1")
    assert "size moved" in event.reason
    assert event.figures == {f"{subject} below 0.2": 0.4}
    assert event.severity == ("error" if answered_by == "person" else "warning")


def test_a_moment_is_alarmed_once(alarm: Callable[..., Any]) -> None:
    """The same model and moment give the same event, whichever run finds it; another moment gives another."""
    made, first, _ = alarm("drift")
    assert first.id == module_id(made, AS_OF)
    assert alarm("drift", as_of=AS_OF.replace(day=2))[1].id != first.id


def module_id(project: Project, as_of: datetime) -> object:
    from regrow.notifications.event import event_id

    return event_id("alarm", project.name, as_of.isoformat())


def test_a_broken_feed_asks_a_person_and_starts_nothing(alarm: Callable[..., Any]) -> None:
    """Missing values beside drift: an event that no retraining answers, and the run says so."""
    made, event, record = alarm("drift", "quality")
    assert event.acts == record.tags["acts"] == "person"
    matched = on_alarm(made, uuid4()).trigger.match  # pyright: ignore[reportAttributeAccessIssue]
    assert not matched.matches(Resource(event.resource))  # pyright: ignore[reportAttributeAccessIssue]
    assert record.tags["causes"] == "drift, quality"
