"""Tell the world that a model needs attention."""

import uuid
from datetime import datetime

from prefect.events import emit_event

from regrow.lineage import current, step
from regrow.project import Project
from regrow.verdict import Verdict

ALARM = "regrow.model.alarm"


def alarm_id(name: str, as_of: datetime) -> uuid.UUID:
    """Give the one id of the alarm on *name* at *as_of*: Prefect takes an event id once."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{ALARM}/{name}/{as_of.isoformat()}")


def alarm_payload(project: Project, verdict: Verdict, as_of: datetime, verdict_run: str) -> dict[str, str]:
    """Give what the automation hands on to the retraining."""
    return {
        "config": str(project.path),
        "as_of": as_of.isoformat(),
        "reason": verdict.reason,
        "verdict_run": verdict_run,
    }


@step(retries=2, retry_delay_seconds=[5, 30])
def raise_alarm(project: Project, verdict: Verdict, as_of: datetime, verdict_run: str) -> None:
    """Emit the Prefect event that an automation answers with a retraining.

    A retried or repeated run at the same *as_of* emits the same event, which counts once.
    """
    identifier = alarm_id(project.name, as_of)
    emit_event(
        event=ALARM,
        resource={
            "prefect.resource.id": f"regrow.model.{project.name}",
            "prefect.resource.name": project.name,
        },
        payload=alarm_payload(project, verdict, as_of, verdict_run),
        id=identifier,
    )
    current().tag(alarm=identifier, reason=verdict.reason)
