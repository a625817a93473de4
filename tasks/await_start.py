"""What a scheduled run waits for while the model is new: its first training, or its first prediction."""

from datetime import datetime

from prefect import get_run_logger

from regrow import registry
from regrow.base.verdict import Decision, Verdict
from regrow.data.predictions import count_served
from regrow.lineage import step
from regrow.project import Project

SCHEDULED = "schedule"
"""The trigger of a run that nobody asked for at this moment."""


def what_is_awaited(project: Project, as_of: datetime, traffic: bool) -> str:
    """Return what *project* has to wait for at *as_of*, with *traffic* also its first prediction, or nothing."""
    if registry.champion_at(project.name, as_of) is None:
        began = registry.ledger(project.name)
        if began and min(move.as_of for move in began) <= as_of:
            return ""  # It had a champion and has lost it: that is no beginning, and the run says so.
        return f"{project.name} waits for its first champion: regrow train {project.path.name}"
    if traffic and not count_served(project.name):
        return f"{project.name} waits for its first prediction: none was served or scored yet"
    return ""


@step(retries=2, retry_delay_seconds=[5, 30])
def await_start(
    project: Project, trigger: str, as_of: datetime, decision: Decision, traffic: bool = False
) -> Verdict | None:
    """Return the verdict of a scheduled run that has nothing to look at yet; None if it may go on.

    A run that a person or an alarm started goes on, and fails by what is missing.
    """
    awaited = what_is_awaited(project, as_of, traffic) if trigger == SCHEDULED else ""
    if not awaited:
        return None
    get_run_logger().info(awaited)
    return Verdict(decision=decision, result="undecided", reason=awaited)
