"""Emit the event that a model needs attention."""

import uuid
from datetime import datetime
from typing import Any

from prefect.events import emit_event

from regrow.decisions.alarm import causes_of, who_acts
from regrow.lineage import current, step
from regrow.project import Project
from regrow.verdict import Verdict

ALARM = "regrow.model.alarm"
"""The event of every alarm."""
FOR = "regrow.alarm.for"
"""Label of the event's resource: who acts, `retraining` or `person`. The automation answers the first alone."""


def alarm_id(name: str, as_of: datetime) -> uuid.UUID:
    """Return the one id of the alarm on *name* at *as_of*: Prefect takes an event id once."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{ALARM}/{name}/{as_of.isoformat()}")


def alarm_payload(project: Project, verdict: Verdict, as_of: datetime, verdict_run: str) -> dict[str, Any]:
    """Return what the event tells whoever answers it.

    `config`: the project file. `as_of`: the moment that was judged, ISO 8601. `reason`: what failed, in words.
    `verdict_run`: the MLflow run that keeps the whole verdict. `causes`: what failed, of `quality`, `drift`,
    `prediction drift` and `performance`. `for`: who acts, `retraining` or `person` (broken data, or
    `retraining.on_alarm: false`).
    """
    causes = causes_of(verdict)
    return {
        "config": str(project.path),
        "as_of": as_of.isoformat(),
        "reason": verdict.reason,
        "verdict_run": verdict_run,
        "causes": list(causes),
        "for": who_acts(causes, project.retraining.on_alarm),
    }


def alarm_resource(project: Project, verdict: Verdict) -> dict[str, str]:
    """Return whom the event is about, and who acts: automations match events by these labels."""
    return {
        "prefect.resource.id": f"regrow.model.{project.name}",
        "prefect.resource.name": project.name,
        FOR: who_acts(causes_of(verdict), project.retraining.on_alarm),
    }


@step(retries=2, retry_delay_seconds=[5, 30])
def raise_alarm(project: Project, verdict: Verdict, as_of: datetime, verdict_run: str) -> None:
    """Emit the Prefect event that an automation answers with a retraining if it is for one.

    A retried or repeated run at the same *as_of* emits the same event, which counts once.
    """
    identifier = alarm_id(project.name, as_of)
    emit_event(
        event=ALARM,
        resource=alarm_resource(project, verdict),
        payload=alarm_payload(project, verdict, as_of, verdict_run),
        id=identifier,
    )
    causes = causes_of(verdict)
    current().tag(
        alarm=identifier,
        reason=verdict.reason,
        causes=", ".join(causes),
        acts=who_acts(causes, project.retraining.on_alarm),
    )
