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
    for name, key, page in (
        ("MLflow run", flow_run_id, ""),
        ("report", f"{flow_run_id}/measure_drift", "/artifacts/report.html"),
    ):
        run = find_run(client, experiment, key)
        url = run_url(experiment, run.info.run_id) if run else None
        if url:
            links[name] = f"{url}{page}"
    return links
