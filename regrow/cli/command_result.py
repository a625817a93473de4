"""What a command came to, and the pages that hold more of it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regrow.registry import State
    from regrow.results import Scored
    from regrow.settings import Settings
    from regrow.verdict import Verdict

MOVING = frozenset({"train", "retrain", "rollout", "rollback"})
"""The commands after which another version may answer."""


@dataclass(frozen=True)
class CommandResult:
    """The result of a *command* on a *model*, the state of the model after it, and the pages that hold more."""

    command: str
    model: str
    result: "Verdict | Scored"
    links: dict[str, str] = field(default_factory=dict)
    state: "State | None" = None


def find_links(settings: "Settings", model: str, flow_run_id: str) -> dict[str, str]:
    """Return the pages of a flow run in Prefect and MLflow, and of the report that it wrote, by name."""
    from regrow.lineage import find_experiment, find_run, run_url
    from regrow.registry import connect

    client = connect()
    experiment = find_experiment(client, model)
    links = {"Prefect run": f"{settings.prefect_ui_url}/runs/flow-run/{flow_run_id}"}
    parent, drift = (find_run(client, experiment, f"{flow_run_id}{step}") for step in ("", "/measure_drift"))
    if parent and (url := run_url(experiment, parent.info.run_id)):
        links["MLflow run"] = url
    if (
        drift
        and (page := drift.data.tags.get("regrow.report"))
        and (url := run_url(experiment, drift.info.run_id))
    ):
        links["report"] = f"{url}/artifacts/{page}"
    return links
