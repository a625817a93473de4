"""The event that an alarm emits."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from regrow.decisions.alarm import judge_window
from regrow.project import Project
from regrow.verdict import Finding, Subject
from tasks.raise_alarm import FOR, alarm_id, alarm_payload, alarm_resource

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
