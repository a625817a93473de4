"""The event that an alarm emits."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from prefect.events import Resource

from deployments.automations import on_alarm
from regrow.decisions.alarm import judge_window
from regrow.project import Project
from regrow.verdict import Finding, Subject
from tasks import raise_alarm as module
from tasks.raise_alarm import ALARM, FOR, alarm_id, alarm_payload, alarm_resource, raise_alarm

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)


def test_one_alarm_for_a_model_and_a_moment():
    """The same model and moment give the same event; another of either gives another."""
    assert alarm_id("a", AS_OF) == alarm_id("a", AS_OF)
    assert len({alarm_id("a", AS_OF), alarm_id("b", AS_OF), alarm_id("a", AS_OF.replace(day=2))}) == 3


@pytest.mark.parametrize(("subject", "answered_by"), [("drift", "retraining"), ("quality", "person")])
def test_the_event_says_why_and_who_acts(project: Callable[..., Project], subject: Subject, answered_by: str):
    """The payload holds cause, reason and who is asked to act; the resource holds the last too, to be matched by it."""
    found = Finding(rule="r", subject=subject, result="fail", detail="size moved")
    made, verdict = project(), judge_window([found])
    payload = alarm_payload(made, verdict, AS_OF, "run-1")
    assert payload == {
        "config": str(made.path),
        "as_of": "2024-01-01T00:00:00+00:00",
        "reason": verdict.reason,
        "verdict_run": "run-1",
        "causes": [subject],
        "for": answered_by,
    }
    resource = alarm_resource(made, verdict)
    assert resource["prefect.resource.id"] == f"regrow.model.{made.name}"
    assert resource[FOR] == answered_by


def test_a_broken_feed_asks_a_person_and_starts_nothing(
    project: Callable[..., Project], remember: Callable[[ModuleType], Any], monkeypatch: pytest.MonkeyPatch
):
    """Missing values beside drift: one event of the model's own id that no retraining answers, and the run says so."""
    record, made = remember(module), project()
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "emit_event", lambda **event: events.append(event))
    found = [Finding(rule=one, subject=one, result="fail") for one in ("drift", "quality")]
    raise_alarm.function(made, judge_window(found), AS_OF, "run-1")
    [event] = events
    assert (event["event"], event["id"]) == (ALARM, alarm_id(made.name, AS_OF))
    assert event["resource"][FOR] == event["payload"]["for"] == record.tags["acts"] == "person"
    assert not on_alarm(made, uuid4()).trigger.match.matches(Resource(event["resource"]))  # pyright: ignore
    assert record.tags["causes"] == "drift, quality"
