"""Bring aliases, tags and the ledger's file in line with the moves, also after a writer that died.

All of it follows from the moves alone and may be written any number of times. A writer leaves a mark while it writes:
without one, an alias that disagrees with the last move was moved by hand.
"""

import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from regrow.registry.connection import connect, is_absent, reaching, twice
from regrow.registry.ledger import RECONCILED, STATUS, WRITER_TAG, Ledger, is_alive, read_ledger
from regrow.registry.moves import count_rows, moved_on, new_move, write_move
from regrow.registry.state import Move, MoveKind, State
from regrow.registry.versions import CHAMPION

logger = logging.getLogger("regrow.registry")


def reconcile(name: str) -> Ledger:
    """Finish what a writer that died began, record what was moved by hand, and return the ledger of *name* then."""
    client = connect()
    with reaching(f"state of {name}"):
        found = read_ledger(client, name)
        if not _moved_by_hand(client, found):
            return write_consequences(client, found)
        after = State(champion=found.aliases.get(CHAMPION))
        reason = f"the alias {CHAMPION} was moved in MLflow, past the ledger"
        move = new_move(found, after, "by hand", "somebody", reason, after.champion)
        return write_consequences(client, write_move(client, found, move))


def make_move(
    name: str,
    seen: State,
    after: State,
    kind: MoveKind,
    actor: str,
    reason: str,
    version: int | None,
    as_of: datetime | None = None,
) -> Move:
    """Lead *name* from the state *seen* to *after*.

    Raises `MovedOn` if somebody else has moved since *seen*.
    """
    ledger = reconcile(name)
    if ledger.state.move != seen.move:
        raise moved_on(name, ledger[-1])
    return add_move(ledger, after, kind, actor, reason, version, as_of)[seen.move]


def add_move(
    ledger: Ledger,
    after: State,
    kind: MoveKind,
    actor: str,
    reason: str,
    version: int | None,
    as_of: datetime | None = None,
) -> Ledger:
    """Lead the model of *ledger*, which is reconciled, to *after*; count what was answered since the last move.

    Returns the ledger with the move, and with those that others made meanwhile. Raises `MovedOn` if somebody else has
    moved since *ledger* was read.
    """
    client, rows = connect(), count_rows(ledger.name, ledger)
    with reaching(f"{kind} of {ledger.name}"):
        move = new_move(ledger, after, kind, actor, reason, version, as_of, rows)
        return write_consequences(client, write_move(client, ledger, move))


def write_consequences(client: MlflowClient, ledger: Ledger) -> Ledger:
    """Write what follows from the moves of *ledger* and from those made meanwhile; return the ledger read last."""
    if ledger.run_id is None or not ledger.moves or ledger.follows():
        return ledger
    run_id, mark = ledger.run_id, f"{WRITER_TAG}{uuid.uuid4().hex[:8]}"
    client.set_tag(run_id, mark, datetime.now(UTC).isoformat())
    while True:
        _write(client, ledger, run_id)
        again = read_ledger(client, ledger.name)
        if again.state.move == ledger.state.move:
            break
        ledger = again
    number = str(again.state.move)
    twice(lambda: client.set_registered_model_tag(again.name, RECONCILED, number))
    dead = [key for key, since in again.writers.items() if not is_alive(since)]
    for key in {mark, *dead}:
        _if_present(lambda key=key: client.delete_tag(run_id, key))  # Another writer may have removed it.
    return replace(again, tags=again.tags | {RECONCILED: number})


def _moved_by_hand(client: MlflowClient, ledger: Ledger) -> bool:
    """Return whether somebody moved the champion's alias past the ledger: seen twice, with no writer at work."""
    if not _disagrees(ledger):
        return False
    again = read_ledger(client, ledger.name)
    same = (again.state, again.aliases.get(CHAMPION)) == (ledger.state, ledger.aliases.get(CHAMPION))
    return same and _disagrees(again)


def _disagrees(ledger: Ledger) -> bool:
    """Return whether the champion's alias is not what the last move says, though all was written."""
    return (
        bool(ledger.moves)
        and ledger.reconciled == ledger.state.move
        and ledger.aliases.get(CHAMPION) != ledger.state.champion
        and not ledger.has_writer
    )


def _write(client: MlflowClient, ledger: Ledger, run_id: str) -> None:
    """Write what follows from *ledger* and is not there yet."""
    for key, value in ledger.expected_tags().items():
        if ledger.tags.get(key) != value:
            twice(lambda key=key, value=value: client.set_registered_model_tag(ledger.name, key, value))
    for alias, number in ledger.expected_aliases().items():
        if ledger.aliases.get(alias) != number:
            twice(lambda alias=alias, number=number: _point(client, ledger.name, alias, number))
    for number, status in ledger.new_statuses().items():
        _if_present(lambda n=number, s=status: client.set_model_version_tag(ledger.name, str(n), STATUS, s))
    moves = [move.model_dump(mode="json") for move in ledger]
    client.log_text(run_id, json.dumps(moves, indent=1), "ledger.json")


def _point(client: MlflowClient, name: str, alias: str, number: int | None) -> None:
    """Point *alias* at version *number*, or at none."""
    if number is None:
        client.delete_registered_model_alias(name, alias)
    elif alias == CHAMPION:
        client.set_registered_model_alias(name, alias, str(number))
    else:
        _if_present(lambda: client.set_registered_model_alias(name, alias, str(number)))


def _if_present(write: Callable[[], object]) -> None:
    """Write to what may have been deleted in MLflow."""
    try:
        twice(write)
    except MlflowException as error:
        if not is_absent(error):
            raise
        logger.warning("left out, it was deleted in MLflow: %s", error.message)
