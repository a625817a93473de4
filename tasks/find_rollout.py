"""Find the open rollout, after finishing what a writer that died had begun."""

from regrow import registry
from regrow.lineage import current, step
from regrow.project import Project
from regrow.registry import State
from regrow.verdict import Verdict


def nothing_open(project: Project, seen: State) -> Verdict:
    """Return the verdict of a look that finds no open rollout: there is nothing to decide."""
    serving = "no champion" if seen.champion is None else f"version {seen.champion} answers everything"
    return Verdict(
        decision="rollout",
        result="pass",
        reason=f"{project.name}: no rollout is open; {serving}",
        outcome="hold",
    )


@step(retries=2, retry_delay_seconds=[5, 30])
def find_rollout(project: Project) -> State:
    """Return what is true of the model of *project*: its champion and, if a rollout is open, the challenger."""
    seen = registry.reconcile(project.name).state
    current().tag(move=seen.move, champion=seen.champion, challenger=seen.challenger)
    return seen
