"""Make a version the champion, see that it serves, and give the place back to the one before."""

from collections.abc import Callable
from datetime import datetime

from regrow.errors import RegistryError, Unreachable
from regrow.registry.connection import connect, reaching, twice
from regrow.registry.moves import look
from regrow.registry.settling import ledger, make_move, served_well, settle, state
from regrow.registry.state import Move, State
from regrow.registry.versions import Version, champion, version
from regrow.results import Candidate

CONFIRMED = "regrow.confirmed"
Confirm = Callable[[State], None]
"""Prove that the servers follow a state; raise `Unreachable` where they do not."""


def rival(name: str, candidate: Candidate) -> Version | None:
    """Give the champion that *candidate* has to beat; None where there is none yet.

    Where *candidate* is the champion already (a flow that died after the move, or an unchanged run), it is the
    version before it, so that the same comparison is made again.
    """
    holder = champion(name)
    if holder is None or holder.model_id != candidate.model_id:
        return holder
    before = [move.before for move in ledger(name) if _enthroned(move, holder.number)]
    return version(name, before[-1]) if before and before[-1] is not None else None


def promote(
    name: str,
    number: int,
    actor: str,
    reason: str,
    confirm: Confirm | None = None,
    as_of: datetime | None = None,
) -> Move | None:
    """Make version *number* the champion of *name*, and give the move that did; doing it twice changes nothing.

    An open rollout of another version ends. *confirm* proves that the version serves; where it raises, the state
    before it is put back and the error goes on. None where it was champion before there was a ledger.
    """
    seen = settle(name)
    if seen.champion == number:
        move = next((each for each in reversed(ledger(name)) if _enthroned(each, number)), None)
    else:
        after = State(champion=number)
        move = make_move(name, seen, after, "promote", actor, reason, number, as_of=as_of)
    if move is not None and move.state == state(name):
        confirm_or_put_back(name, move, actor, confirm)
    return move


def roll_back(
    name: str,
    actor: str,
    reason: str,
    to: int | None = None,
    confirm: Confirm | None = None,
    as_of: datetime | None = None,
) -> Move:
    """End the open rollout of *name*, or make version *to* the champion; default: the last that served well.

    A version that was rolled back itself is restored as a promotion. *confirm* proves that the servers follow; where
    it raises, the error goes on and the move stands. The same *actor* with the same *reason* moves once, however often
    it is tried.

    Raises `RegistryError` where there is nothing to roll back to.
    """
    seen, moves = settle(name), ledger(name)
    if moves and (moves[-1].actor, moves[-1].reason) == (actor, reason):
        move = moves[-1]
    elif to is None and seen.rollout is not None:
        after = State(champion=seen.champion)
        move = make_move(name, seen, after, "roll back", actor, reason, seen.challenger, as_of=as_of)
    else:
        target = _present(name, served_well(moves)) if to is None else version(name, to).number
        if target == seen.champion:
            raise RegistryError(f"{name}: version {target} is the champion already; nothing to roll back")
        blamed = seen.champion if target in served_well(moves) else None
        kind = "promote" if blamed is None else "roll back"
        move = make_move(
            name, seen, State(champion=target), kind, actor, reason, blamed or target, as_of=as_of
        )
    if confirm:
        confirm(move.state)
    return move


def confirm_or_put_back(name: str, move: Move, actor: str, confirm: Confirm | None) -> None:
    """Prove that *move*, the last one of *name*, serves; where it does not, put back the state before it.

    Raises `Unreachable` where it was put back. What was confirmed once is not asked again.
    """
    client = connect()
    with reaching(f"confirmation of {name}"):
        record = look(client, name)
        if int(record.tags.get(CONFIRMED, "0")) >= move.number:
            return
        try:
            if confirm:
                confirm(move.state)
        except Unreachable as error:
            before = record.moves[move.number - 2].state if move.number > 1 else State(champion=move.before)
            make_move(name, move.state, before, "put back", actor, str(error), move.version, as_of=move.as_of)
            raise
        twice(lambda: client.set_registered_model_tag(name, CONFIRMED, str(move.number)))


def _enthroned(move: Move, number: int) -> bool:
    """Say whether *move* made version *number* the champion."""
    return move.state.champion == number and move.before != number


def _present(name: str, numbers: list[int]) -> int:
    """Give the first of *numbers* that has not been deleted in MLflow."""
    client = connect()
    known = {
        int(found.version) for found in client.search_model_versions(f"name = '{name}'", max_results=10_000)
    }
    for number in numbers:
        if number in known:
            return number
    raise RegistryError(
        f"{name}: no version served well before this one; name one with --to, or train a better one"
    )
