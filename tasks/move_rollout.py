"""Carry out what was decided on a rollout: one stage further, the champion's place, or back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from prefect.artifacts import create_markdown_artifact

from regrow import registry
from regrow.base.errors import MovedOn, Unreachable
from regrow.base.verdict import Finding, Verdict, to_markdown
from regrow.lineage import announce, announce_move, current, step
from regrow.notifications.event import figures_of
from regrow.project import Project
from regrow.registry import Move, Rollout, State
from regrow.registry.confirmation import confirmation

ENDS = {"better": True, "worse": False, "no difference": False}
"""Of an A/B comparison: whether the challenger becomes champion."""


def carry_out(project: Project, seen: State, verdict: Verdict, actor: str, as_of: datetime) -> Verdict:
    """Make the move that *verdict* asks for, at most one, and see that the servers follow.

    The same *actor* moves once, however often it is tried. Raises `Unreachable` if the challenger was rolled back
    and a server does not follow: the registry says that it is gone, and the server may still ask it.
    """
    try:
        move = _made_by(project.name, seen, actor) or _move(project.name, seen, verdict, actor, as_of)
    except MovedOn as error:
        return _held(verdict, "no other writer moved first", str(error))
    if move is None:
        return verdict
    try:
        _confirm(project, move, actor)
    except Unreachable as error:
        if verdict.outcome == "roll back":
            raise
        return _held(verdict, "the model server follows", str(error))
    return verdict


def _made_by(name: str, seen: State, actor: str) -> Move | None:
    """Return the move that *actor* made from *seen* on an earlier try."""
    later = registry.ledger(name)[seen.move :]
    return later[0] if later and later[0].actor == actor else None


def _move(name: str, seen: State, verdict: Verdict, actor: str, as_of: datetime) -> Move | None:
    """Make the move that *verdict* asks for; None if the rollout stays."""
    rollout = registry.open_rollout(name, seen)
    if verdict.outcome == "roll back":
        return registry.end_rollout(name, seen, actor, verdict.reason, as_of)
    if verdict.outcome in ENDS:
        return registry.finish(name, seen, actor, verdict.reason, ENDS[verdict.outcome], as_of)
    if verdict.outcome == "advance" and rollout.is_last:
        return registry.finish(name, seen, actor, verdict.reason, True, as_of)
    if verdict.outcome == "advance":
        return registry.advance(name, seen, actor, verdict.reason, as_of)
    return None


def _confirm(project: Project, move: Move, actor: str) -> None:
    """See that the servers follow *move*; a new champion that they do not follow is put back."""
    confirm = confirmation(project)
    if move.state.champion != move.before:
        registry.confirm_or_put_back(project.name, move, actor, confirm)
    elif confirm:
        confirm(move.state)


def _held(verdict: Verdict, rule: str, why: str) -> Verdict:
    """Return the verdict that *verdict* could not be carried out: *rule* failed, because of *why*."""
    return verdict.refused(why, Finding(rule=rule, result="fail", detail=why), outcome="hold")


def tell(
    project: Project, found: Sequence[Move], seen: State, verdict: Verdict, actor: str, as_of: datetime
) -> None:
    """Announce what *actor* has moved since *seen*, by the ledger *found*, or once a day that the rollout is stuck."""
    for move in found[seen.move :]:
        if move.actor == actor:
            announce_move(project, move)
    rollout = registry.open_rollout(project.name, seen)
    if verdict.outcome == "hold" and is_stuck(rollout, project.deployment.stuck_after, as_of):
        reason = f"in stage {rollout.stage + 1} since {rollout.since:%Y-%m-%d %H:%M} UTC: {verdict.reason}"
        announce(
            project,
            "rollout.stuck",
            reason,
            about=f"version {seen.challenger}",
            key=f"{rollout.id}/{rollout.stage}/{as_of:%Y-%m-%d}",
            figures=figures_of(verdict),
            as_of=as_of,
        )


def is_stuck(rollout: Rollout, after: timedelta, as_of: datetime) -> bool:
    """Return whether *rollout* is in its stage for longer than *after*, and than the stage itself asks for."""
    return as_of - rollout.since > after + rollout.current.least_time


def render_look(project: Project, seen: State, verdict: Verdict) -> str:
    """Write the look at the rollout in *seen*, and what became of it, as Markdown."""
    rollout = registry.open_rollout(project.name, seen)
    described = (
        f"Rollout `{rollout.id}` of version {seen.challenger} against {seen.champion}, stage {rollout.stage + 1} of "
        f"{len(rollout.plan.stages)} ({rollout.plan.kind}, weight {rollout.current.weight:g}), "
        f"since {rollout.since:%Y-%m-%d %H:%M}"
    )
    return to_markdown(f"{project.name}: {verdict.outcome}", verdict, described)


@step(retries=2, retry_delay_seconds=[2, 10])
def move_rollout(project: Project, seen: State, verdict: Verdict, actor: str, as_of: datetime) -> Verdict:
    """Carry out *verdict* on the rollout in *seen* for *actor*, and show it on the flow run's page."""
    run = current()
    outcome = carry_out(project, seen, verdict, actor, as_of)
    found = registry.ledger(project.name)
    after = found.state
    run.verdict(outcome)
    tell(project, found, seen, outcome, actor, as_of)
    run.tag(move=after.move, champion=after.champion, challenger=after.challenger)
    create_markdown_artifact(render_look(project, seen, outcome), key=f"rollout-{project.name}")
    return outcome
