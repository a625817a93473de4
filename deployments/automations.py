"""The automations: an alarm may start a retraining, and a flow run without heartbeats is marked as crashed."""

from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from regrow.notifications.event import FOR, event_name
from regrow.project import Project

SILENCE = timedelta(seconds=120)
"""Four heartbeats: how long a flow run may be silent before it counts as crashed."""
ENDINGS = ("Completed", "Failed", "Cancelled", "Crashed", "Suspended", "Paused", "AwaitingRetry")


def on_alarm(project: Project, deployment_id: Any) -> AutomationCore:
    """Start the retraining of *project* with the alarm's own `as_of`, reason and causes.

    An alarm that is for a person starts nothing. Whether to retrain is the policy's decision, so every other one
    starts a run: the automation has no cooldown.
    """
    return AutomationCore(
        name=f"retrain {project.name} on alarm",
        description=f"An alarm of `monitor/{project.name}` starts `retrain/{project.name}`, unless a person must act.",
        trigger=EventTrigger(
            expect={event_name("alarm")},
            match=ResourceSpecification(
                {"prefect.resource.id": f"regrow.model.{project.name}", FOR: "retraining"}
            ),
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            RunDeployment(
                source="selected",
                deployment_id=deployment_id,
                job_variables=None,
                parameters={
                    "config": str(project.path),
                    "trigger": "alarm",
                    "as_of": _payload("as_of", "none"),
                    "reason": _payload("reason", "''"),
                    "causes": _payload("causes", "[]"),
                },
            )
        ],
    )


def on_silence(silence: timedelta = SILENCE) -> AutomationCore:
    """Mark a flow run as crashed whose process has died with the runner: for *silence* it sends no heartbeat."""
    return AutomationCore(
        name="mark flow runs without heartbeats as crashed",
        description="A flow run whose process was killed would stay Running for ever.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{ending}" for ending in ENDINGS)},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                state=StateType.CRASHED,
                message="No heartbeat: its process is gone; run it again.",
                force=False,
            )
        ],
    )


def install(projects: list[Project]) -> list[str]:
    """Create or update the automations of *projects*, remove what no file asks for; name them."""
    with get_client(sync_client=True) as client:
        wanted = [on_silence()]
        for project in projects:
            if project.retraining.on_alarm:
                deployment = client.read_deployment_by_name(f"retrain/{project.name}")
                wanted.append(on_alarm(project, deployment.id))
            else:
                _remove(client, f"retrain {project.name} on alarm")
        for automation in wanted:
            _put(client, automation)
        return [automation.name for automation in wanted]


def _put(client: SyncPrefectClient, automation: AutomationCore) -> None:
    """Create *automation*, or update the one of that name; one that a user has disabled stays disabled."""
    present = client.read_automations_by_name(automation.name)
    if not present:
        client.create_automation(automation)
        return
    kept = automation.model_copy(update={"enabled": present[0].enabled})
    client.update_automation(present[0].id, kept)
    for double in present[1:]:
        client.delete_automation(double.id)


def _remove(client: SyncPrefectClient, name: str) -> None:
    """Delete every automation called *name*."""
    for present in client.read_automations_by_name(name):
        client.delete_automation(present.id)


def _payload(key: str, default: str) -> dict[str, Any]:
    """Take *key* from the event's payload when the automation fires."""
    template = f"{{{{ event.payload.{key} | default({default}) | tojson }}}}"
    return {"__prefect_kind": "json", "value": {"__prefect_kind": "jinja", "template": template}}


__all__ = ["install", "on_alarm", "on_silence"]
