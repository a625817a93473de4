"""The deployment ledger as a person reads it."""

import textwrap
from collections.abc import Iterator

from regrow import registry
from regrow.errors import RegistryError
from regrow.registry import Move

INDENT = " " * 6


def lines(name: str, width: int = 100) -> Iterator[str]:
    """Tell each move of *name*, oldest first, in lines of *width*: what it did, then who made it, when, and why.

    Raises `RegistryError` where there is none.
    """
    moves = registry.ledger(name)
    if not moves:
        raise RegistryError(f"{name}: no move was ever made; train it, or see the names in MLflow")
    yield f"{'move':<6}{'as of':<18}{'what':<11}{'version':<9}{'champion':<10}{'challenger':<18}rows"
    for move in moves:
        yield _what(move)
        why = f"{move.actor}, {move.at:%Y-%m-%d %H:%M:%S}: {move.reason}"
        yield from textwrap.wrap(why, width, initial_indent=INDENT, subsequent_indent=INDENT)


def _what(move: Move) -> str:
    state = move.state
    kept = move.before == state.champion
    champion = str(state.champion or "-") if kept else f"{move.before or '-'} -> {state.champion or '-'}"
    rows = "?" if move.rows is None else f"{move.rows:,}"
    return (
        f"{move.number:<6}{move.as_of:%Y-%m-%d %H:%M}  {move.kind:<11}{move.version or '-':<9}"
        f"{champion:<10}{_challenger(move):<18}{rows}"
    )


def _challenger(move: Move) -> str:
    """Say who challenges from here on, and with which share of the traffic."""
    rollout = move.state.rollout
    if rollout is None:
        return "-"
    held = ", paused" if rollout.paused else ""
    return f"{move.state.challenger} at {rollout.current.weight:.0%}{held}"
