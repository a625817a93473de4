"""The automations, on the real Prefect server."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.events import Resource, emit_event

from deployments.automations import install, on_alarm
from deployments.register import register
from regrow.notifications.event import FOR, event_name
from regrow.project import Project
from regrow.services import Services


@flow
def retrain(
    config: Path,
    as_of: str | None = None,
    trigger: str = "manual",
    reason: str = "",
    causes: tuple[str, ...] = (),
) -> str:
    """Ask the policy."""
    return f"{config} {as_of} {trigger} {reason} {causes}"


def deployed(project: Project) -> None:
    asyncio.run(register([project], {"retrain": retrain}))
    install([project])


def test_installing_twice_leaves_one_automation(services: Services, project: Callable[..., Project]) -> None:
    """Automations are updated, not doubled; one whose file says no more alarms goes away."""
    made = project()
    deployed(made)
    deployed(made)
    name = f"retrain {made.name} on alarm"
    with get_client(sync_client=True) as client:
        assert len(client.read_automations_by_name(name)) == 1
        quiet = made.model_copy(update={"retraining": made.retraining.model_copy(update={"on_alarm": False})})
        install([quiet])
        assert client.read_automations_by_name(name) == []


def test_only_an_alarm_for_retraining_is_matched(project: Callable[..., Project]) -> None:
    """The automation answers its own model's drift; broken data, and another model's alarm, it lets pass."""
    made, other = project(), project()
    matched = on_alarm(made, uuid4()).trigger.match  # pyright: ignore[reportAttributeAccessIssue]
    for name, acts, answered in (
        (made, "retraining", True),
        (made, "person", False),
        (other, "retraining", False),
    ):
        resource = Resource({"prefect.resource.id": f"regrow.model.{name.name}", FOR: acts})
        assert matched.matches(resource) is answered  # pyright: ignore[reportAttributeAccessIssue]


def test_an_alarm_starts_a_retraining_with_its_reason(
    services: Services, project: Callable[..., Project]
) -> None:
    """Within seconds of the event a run is created with the event's own moment, reason and causes.

    One that came before it and is for a person has started none.
    """
    made = project()
    deployed(made)
    time.sleep(1)
    for answered_by, why in (("person", "half of it is missing"), ("retraining", 'the "size" has drifted')):
        emit_event(
            event_name("alarm"),
            resource={"prefect.resource.id": f"regrow.model.{made.name}", FOR: answered_by},
            payload={"as_of": "2024-03-01T00:00:00+00:00", "reason": why, "causes": ["drift"]},
        )
        time.sleep(1)
    assert _parameters_of_first_run(made) == {
        "config": str(made.path),
        "as_of": "2024-03-01T00:00:00+00:00",
        "trigger": "alarm",
        "reason": 'the "size" has drifted',
        "causes": ["drift"],
    }


def _parameters_of_first_run(project: Project, patience: float = 30) -> dict[str, Any]:
    deadline = time.monotonic() + patience
    with get_client(sync_client=True) as client:
        wanted = client.read_deployment_by_name(f"retrain/{project.name}").id
        while time.monotonic() < deadline:
            for run in client.read_flow_runs():
                if run.deployment_id == wanted:
                    return run.parameters
            time.sleep(0.3)
    raise AssertionError("no run was created")
