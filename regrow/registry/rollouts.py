"""A rollout is a state, moved by one step at a time: start, advance, pause, resume, finish, or roll back."""

from datetime import UTC, datetime

from regrow.errors import RegistryError
from regrow.project import RolloutPlan
from regrow.registry.settling import make_move, settle
from regrow.registry.state import Move, Rollout, State


def start_rollout(
    name: str, number: int, plan: RolloutPlan, actor: str, reason: str, as_of: datetime | None = None
) -> Move | None:
    """Let version *number* of *name* prove itself by *plan*; an open rollout of another version ends.

    None where its rollout is open already. Raises `RegistryError` where there is no champion to compare it with.
    """
    seen = settle(name)
    if seen.challenger == number:
        return None
    if seen.champion is None or seen.champion == number:
        raise RegistryError(
            f"{name}: version {number} has no other champion to prove itself against; promote it"
        )
    moment = as_of or datetime.now(UTC)
    rollout = Rollout(id=f"v{number}-{moment:%Y%m%dT%H%M%S}", plan=plan, stage=0, since=moment, began=moment)
    if seen.rollout is not None:
        reason = f"{reason} (supersedes the rollout {seen.rollout.id})"
    after = State(champion=seen.champion, challenger=number, rollout=rollout)
    return make_move(name, seen, after, "start", actor, reason, number, as_of=moment)


def advance(name: str, seen: State, actor: str, reason: str, as_of: datetime | None = None) -> Move:
    """Take the rollout in *seen* to its next stage."""
    rollout, moment = open_rollout(name, seen), as_of or datetime.now(UTC)
    if rollout.is_last:
        raise RegistryError(f"{name}: {rollout.id} is in its last stage; finish it")
    further = rollout.model_copy(update={"stage": rollout.stage + 1, "since": moment})
    after = seen.model_copy(update={"rollout": further})
    return make_move(name, seen, after, "advance", actor, reason, seen.challenger, as_of=moment)


def finish(
    name: str, seen: State, actor: str, reason: str, promoted: bool, as_of: datetime | None = None
) -> Move:
    """End the rollout in *seen*: the challenger becomes champion where it is *promoted*, else the champion stays."""
    open_rollout(name, seen)
    after = State(champion=seen.challenger if promoted else seen.champion)
    return make_move(name, seen, after, "finish", actor, reason, seen.challenger, as_of=as_of)


def end_rollout(name: str, seen: State, actor: str, reason: str, as_of: datetime | None = None) -> Move:
    """Roll back the challenger in *seen*: the champion answers everything again."""
    open_rollout(name, seen)
    after = State(champion=seen.champion)
    return make_move(name, seen, after, "roll back", actor, reason, seen.challenger, as_of=as_of)


def pause(name: str, actor: str, reason: str, as_of: datetime | None = None) -> Move | None:
    """Hold the open rollout of *name* at its stage; None where it is paused already."""
    return _hold(name, True, actor, reason, as_of=as_of)


def resume(name: str, actor: str, reason: str, as_of: datetime | None = None) -> Move | None:
    """Let the open rollout of *name* go on; None where it is not paused."""
    return _hold(name, False, actor, reason, as_of=as_of)


def open_rollout(name: str, seen: State) -> Rollout:
    """Give the rollout in *seen*; raises `RegistryError` where none is open."""
    if seen.rollout is None:
        raise RegistryError(f"{name}: no rollout is open; see `regrow ledger {name}`")
    return seen.rollout


def _hold(name: str, paused: bool, actor: str, reason: str, as_of: datetime | None = None) -> Move | None:
    seen = settle(name)
    rollout = open_rollout(name, seen)
    if rollout.paused == paused:
        return None
    after = seen.model_copy(update={"rollout": rollout.model_copy(update={"paused": paused})})
    return make_move(
        name, seen, after, "pause" if paused else "resume", actor, reason, seen.challenger, as_of=as_of
    )
