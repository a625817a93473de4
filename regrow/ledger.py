"""The deployment ledger as a person reads it."""

from collections.abc import Iterator

from regrow import registry
from regrow.errors import RegistryError
from regrow.registry import Move

HEADINGS = ("move", "when", "as of", "what", "version", "champion", "challenger", "rows", "who", "why")


def lines(name: str) -> Iterator[tuple[str, ...]]:
    """Give a line for each move of *name*, oldest first; raises `RegistryError` where there is none."""
    moves = registry.ledger(name)
    if not moves:
        raise RegistryError(f"{name}: no move was ever made; train it, or see the names in MLflow")
    for move in moves:
        yield _line(move)


def _line(move: Move) -> tuple[str, ...]:
    state = move.state
    champion = f"{move.before or '-'} -> {state.champion or '-'}"
    return (
        str(move.number),
        f"{move.at:%Y-%m-%d %H:%M:%S}",
        f"{move.as_of:%Y-%m-%d %H:%M}",
        move.kind,
        str(move.version or "-"),
        champion if move.before != state.champion else str(state.champion or "-"),
        _challenger(move),
        "?" if move.rows is None else str(move.rows),
        move.actor,
        move.reason,
    )


def _challenger(move: Move) -> str:
    """Say who challenges from here on, and with which share of the traffic."""
    rollout = move.state.rollout
    if rollout is None:
        return "-"
    held = ", paused" if rollout.paused else ""
    return f"{move.state.challenger} at {rollout.current.weight:.0%}{held}"
