"""Look at the open rollout once, and take it at most one stage further, to its end, or back."""

from datetime import datetime
from pathlib import Path

from prefect import flow

from regrow.base.verdict import Verdict
from regrow.lineage import FlowRecord, announce_failure, flow_run, open_project
from regrow.project import Project
from regrow.registry import Rollout, State
from tasks.collect_labels import collect_labels
from tasks.examine_rollout import examine_rollout
from tasks.find_rollout import find_rollout, nothing_open, nothing_to_look_at
from tasks.move_rollout import move_rollout


@flow(
    name="rollout",
    flow_run_name="rollout-{config.stem}",
    on_failure=[announce_failure],
    on_crashed=[announce_failure],
)
def rollout(config: Path, as_of: datetime | None = None, trigger: str = "manual") -> Verdict:
    """Judge the challenger by live traffic; advance, hold, finish or roll back. Without a rollout no run is kept.

    Args:
        config: The project file: the model's YAML file.
        as_of: The moment that the run pretends is now (UTC); empty: now. Labels known later are not seen.
        trigger: What started the run; kept with it.

    """
    project = open_project(config)
    if nothing := nothing_to_look_at(project):
        return nothing
    with flow_run(project, trigger, as_of) as run:
        seen = find_rollout(project)
        verdict = look(project, run, seen, seen.rollout) if seen.rollout else nothing_open(project, seen)
        run.verdict(verdict)
        return verdict


def look(project: Project, run: FlowRecord, seen: State, rollout: Rollout) -> Verdict:
    """Run the steps of one look at *rollout*."""
    collect_labels(project, rollout.began, run.as_of)
    verdict = examine_rollout(project, seen, run.as_of)
    outcome = move_rollout(project, seen, verdict, run.actor, run.as_of)
    run.set_tags(
        {
            "regrow.rollout": rollout.id,
            "regrow.rollout.stage": str(rollout.stage),
            "regrow.rollout.outcome": outcome.outcome,
        }
    )
    return outcome
