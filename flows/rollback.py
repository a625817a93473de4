"""Take the traffic away from a version, now."""

from datetime import datetime
from pathlib import Path

from prefect import flow

from regrow.base.verdict import Verdict
from regrow.lineage import announce_failure, flow_run, open_project
from tasks.roll_back import roll_back


@flow(
    name="rollback",
    flow_run_name="rollback-{config.stem}",
    on_failure=[announce_failure],
    on_crashed=[announce_failure],
)
def rollback(
    config: Path, reason: str, to: int | None = None, as_of: datetime | None = None, trigger: str = "manual"
) -> Verdict:
    """End the open rollout, or else make an earlier version the champion, and prove that it answers.

    Args:
        config: The project file: the model's YAML file.
        reason: Why; it stands in the ledger.
        to: The version to return to; empty: the last that served well. One that was rolled back is restored so.
        as_of: The moment that the run pretends is now (UTC); empty: now.
        trigger: What started the run; kept with it.

    """
    project = open_project(config)
    with flow_run(project, trigger, as_of) as run:
        verdict = roll_back(project, reason, to, run.actor, run.as_of)
        run.verdict(verdict)
        return verdict
