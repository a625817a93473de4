"""Move an open rollout by one step: start, advance, pause, resume, finish, or end it by a rollback."""

from datetime import UTC, datetime

from regrow.base.errors import RegistryError
from regrow.project import RolloutPlan
from regrow.registry.reconciliation import add_move, make_move, reconcile
from regrow.registry.state import Move, Rollout, State


def start_rollout(
    name: str, number: int, plan: RolloutPlan, actor: str, reason: str, as_of: datetime | None = None
) -> Move | None:
    """Let version *number* of *name* prove itself by *plan*; an open rollout of another version ends.

    None if its rollout is open already. Raises `RegistryError` if there is no champion to compare it with.
    """
    found = reconcile(name)
    seen = found.state
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
    return add_move(found, after, "start", actor, reason, number, moment)[seen.move]


def advance(name: str, seen: State, actor: str, reason: str, as_of: datetime | None = None) -> Move:
    """Take the rollout in *seen* to its next stage."""
    rollout, moment = open_rollout(name, seen), as_of or datetime.now(UTC)
    if rollout.is_last:
        raise RegistryError(f"{name}: {rollout.id} is in its last stage; finish it")
    further = rollout.model_copy(update={"stage": rollout.stage + 1, "since": moment})
    after = seen.model_copy(update={"rollout": further})
    return make_move(name, seen, after, "advance", actor, reason, seen.challenger, moment)


def finish(
    name: str, seen: State, actor: str, reason: str, promoted: bool, as_of: datetime | None = None
) -> Move:
    """End the rollout in *seen*: the challenger becomes champion if it is *promoted*, else the champion stays."""
    open_rollout(name, seen)
    after = State(champion=seen.challenger if promoted else seen.champion)
    return make_move(name, seen, after, "finish", actor, reason, seen.challenger, as_of)


def end_rollout(name: str, seen: State, actor: str, reason: str, as_of: datetime | None = None) -> Move:
    """Roll back the challenger in *seen*: the champion answers everything again."""
    open_rollout(name, seen)
    after = State(champion=seen.champion)
    return make_move(name, seen, after, "roll back", actor, reason, seen.challenger, as_of)


def pause(name: str, actor: str, reason: str, as_of: datetime | None = None) -> Move | None:
    """Keep the open rollout of *name* at its stage; None if it is paused already."""
    return _set_paused(name, True, actor, reason, as_of)


def resume(name: str, actor: str, reason: str, as_of: datetime | None = None) -> Move | None:
    """Let the open rollout of *name* go on; None if it is not paused."""
    return _set_paused(name, False, actor, reason, as_of)


def open_rollout(name: str, seen: State) -> Rollout:
    """Return the rollout in *seen*; raises `RegistryError` if none is open."""
    if seen.rollout is None:
        raise RegistryError(f"{name}: no rollout is open; see `regrow ledger {name}`")
    return seen.rollout


def _set_paused(name: str, paused: bool, actor: str, reason: str, as_of: datetime | None) -> Move | None:
    """Pause or resume the open rollout of *name*; None if it is so already."""
    found = reconcile(name)
    seen = found.state
    rollout = open_rollout(name, seen)
    if rollout.paused == paused:
        return None
    after = seen.model_copy(update={"rollout": rollout.model_copy(update={"paused": paused})})
    kind = "pause" if paused else "resume"
    return add_move(found, after, kind, actor, reason, seen.challenger, as_of)[seen.move]
