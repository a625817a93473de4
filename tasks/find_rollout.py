"""Find the open rollout, after finishing what a writer that died had begun."""

from prefect import task

from regrow import registry
from regrow.base.verdict import Verdict
from regrow.lineage import clear_up, current, failed_by_outage, find_experiment, step
from regrow.project import Project
from regrow.registry import State


def nothing_open(project: Project, seen: State) -> Verdict:
    """Return the verdict of a look that finds no open rollout: there is nothing to decide."""
    serving = "no champion" if seen.champion is None else f"version {seen.champion} answers everything"
    return Verdict(
        decision="rollout",
        result="pass",
        reason=f"{project.name}: no rollout is open; {serving}",
        outcome="hold",
    )


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=failed_by_outage)
def nothing_to_look_at(project: Project) -> Verdict | None:
    """Return the verdict of a look at no rollout, which leaves nothing in MLflow; None if one is open."""
    seen = registry.reconcile(project.name).state
    if seen.rollout is not None:
        return None
    client = registry.connect()
    clear_up(project, client, find_experiment(client, project.name))
    return nothing_open(project, seen)


@step(retries=2, retry_delay_seconds=[5, 30])
def find_rollout(project: Project) -> State:
    """Return what is true of the model of *project*: its champion and, if a rollout is open, the challenger."""
    seen = registry.reconcile(project.name).state
    current().tag(move=seen.move, champion=seen.champion, challenger=seen.challenger)
    return seen
