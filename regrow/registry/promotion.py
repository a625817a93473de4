"""Make a version the champion, and give the place back to the one before."""

from collections.abc import Callable
from datetime import datetime

from regrow.base.errors import RegistryError, Unreachable
from regrow.models.results import Candidate
from regrow.registry.connection import connect, reaching, twice
from regrow.registry.ledger import Ledger, ledger
from regrow.registry.reconciliation import add_move, make_move, reconcile
from regrow.registry.state import Move, State
from regrow.registry.versions import FILES, Version, champion, version

CONFIRMED = "regrow.confirmed"
Confirm = Callable[[State], None]
"""Prove that the servers follow a state; raise `Unreachable` if they do not."""


def champion_at(name: str, as_of: datetime) -> Version | None:
    """Return the version that was champion of *name* at *as_of*; None if none was.

    The ledger knows; the present champion, and that of a model without a ledger, is the one that bears the alias.
    """
    found = ledger(name)
    if not found or found[-1].as_of <= as_of:
        return champion(name)
    number = found.champion_at(as_of)
    return None if number is None else version(name, number)


def champion_to_beat(name: str, candidate: Candidate, as_of: datetime | None = None) -> Version | None:
    """Return the champion of *as_of* (default: now) that *candidate* has to beat; None if there was none yet.

    If *candidate* is that champion already (a flow that died after the move, or an unchanged run), it is the
    version before it, so that the same comparison is made again.
    """
    holder = champion(name) if as_of is None else champion_at(name, as_of)
    if holder is None or holder.model_id != candidate.model_id:
        return holder
    before = [move.before for move in ledger(name).promotions_of(holder.number)]
    return version(name, before[-1]) if before and before[-1] is not None else None


def promote(
    name: str,
    number: int,
    actor: str,
    reason: str,
    confirm: Confirm | None = None,
    as_of: datetime | None = None,
) -> Move | None:
    """Make version *number* the champion of *name*, and return the move that did; doing it twice changes nothing.

    An open rollout of another version ends. *confirm* proves that the version serves; if it raises, the state
    before it is put back and the error goes on. None if it was champion before there was a ledger.
    """
    found = reconcile(name)
    if found.state.champion == number:
        move = next(reversed(found.promotions_of(number)), None)
    else:
        seen = found.state.move
        found = add_move(found, State(champion=number), "promote", actor, reason, number, as_of)
        move = found[seen]
    if move is not None and move.state == found.state:
        _confirm_or_put_back(found, move, actor, confirm)
    return move


def roll_back(
    name: str, actor: str, reason: str, to: int | None = None, as_of: datetime | None = None
) -> Move:
    """End the open rollout of *name*, or make version *to* the champion; default: the last that served well.

    A version that was rolled back itself is restored as a promotion. The same *actor* with the same *reason* moves
    once, however often it is tried.

    Raises `RegistryError` if there is nothing to roll back to, or no reason is given.
    """
    if not reason.strip():
        raise RegistryError(f"{name}: a rollback needs a reason; it stands in the ledger")
    found = reconcile(name)
    seen = found.state
    if found and (found[-1].actor, found[-1].reason) == (actor, reason):
        return found[-1]
    if to is None and seen.rollout is not None:
        after, kind, about = State(champion=seen.champion), "roll back", seen.challenger
    else:
        target = _last_good(found) if to is None else _with_files(version(name, to)).number
        if target == seen.champion:
            raise RegistryError(f"{name}: version {target} is the champion already; nothing to roll back")
        restored = target not in found.served_well() or seen.champion is None
        after, kind = State(champion=target), "promote" if restored else "roll back"
        about = target if restored else seen.champion
    return add_move(found, after, kind, actor, reason, about, as_of)[seen.move]


def confirm_or_put_back(name: str, move: Move, actor: str, confirm: Confirm | None) -> None:
    """Prove that *move*, the last one of *name*, serves; if it does not, put back the state before it.

    Raises `Unreachable` if it was put back. What was confirmed once is not asked again.
    """
    _confirm_or_put_back(ledger(name), move, actor, confirm)


def _confirm_or_put_back(found: Ledger, move: Move, actor: str, confirm: Confirm | None) -> None:
    """Prove by *confirm* that *move*, the last one of *found*, serves."""
    if int(found.tags.get(CONFIRMED, "0")) >= move.number:
        return
    try:
        if confirm:
            confirm(move.state)
    except Unreachable as error:
        before = found.state_before(move)
        make_move(found.name, move.state, before, "put back", actor, str(error), move.version, move.as_of)
        raise
    client = connect()
    with reaching(f"confirmation of {found.name}"):
        twice(lambda: client.set_registered_model_tag(found.name, CONFIRMED, str(move.number)))


def _with_files(asked: Version) -> Version:
    """Return the version that was *asked* for; raises `RegistryError` if its files were removed."""
    if FILES in asked.tags:
        raise RegistryError(
            f"{asked.name}: version {asked.number} never served, and its files were removed "
            f"({asked.tags[FILES]}); train it again"
        )
    return asked


def _last_good(found: Ledger) -> int:
    """Return the last version that served well and has not been deleted in MLflow."""
    client = connect()
    with reaching(f"versions of {found.name}"):
        versions = client.search_model_versions(f"name = '{found.name}'", max_results=10_000)
    known = {int(each.version) for each in versions}
    for number in found.served_well():
        if number in known:
            return number
    raise RegistryError(
        f"{found.name}: no version served well before this one; name one with --to, or train a better one"
    )
