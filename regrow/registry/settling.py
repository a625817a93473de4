"""Write what follows from a move: aliases, tags, the ledger's file. A writer that died is finished by the next.

Everything here follows from the moves alone and may be written any number of times. A writer leaves a mark while it
writes: without it, an alias that disagrees with the last move was moved by hand.
"""

import json
import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from regrow.errors import RegrowError
from regrow.registry.connection import connect, is_absent, reaching, twice
from regrow.registry.moves import SETTLED, SETTLING, Record, look, moved_on, new_move, write_move
from regrow.registry.state import Kind, Move, State
from regrow.registry.versions import CHALLENGER, CHAMPION, PREVIOUS

STATE, MOVE, STATUS = "regrow.state", "regrow.move", "regrow.status"
PATIENCE = timedelta(seconds=60)
"""After this long a writer's mark is taken for that of a dead process."""
logger = logging.getLogger("regrow.registry")


def ledger(name: str) -> list[Move]:
    """Give every move of *name*, oldest first."""
    with reaching(f"ledger of {name}"):
        return list(look(connect(), name).moves)


def state(name: str) -> State:
    """Give what is true of *name*, and change nothing."""
    with reaching(f"state of {name}"):
        return look(connect(), name).state


def settle(name: str) -> State:
    """Finish what a writer began who died, record what was moved by hand, and give what is true then of *name*."""
    client = connect()
    with reaching(f"state of {name}"):
        record = look(client, name)
        if _moved_by_hand(client, record):
            return _record_by_hand(client, record)
        return _write_consequences(client, record).state


def make_move(
    name: str,
    seen: State,
    after: State,
    kind: Kind,
    actor: str,
    reason: str,
    version: int | None,
    as_of: datetime | None = None,
) -> Move:
    """Lead *name* from the state *seen* to *after*, and count what was answered meanwhile.

    Raises `MovedOn` where somebody else has moved since *seen*.
    """
    client = connect()
    with reaching(f"{kind} of {name}"):
        settle(name)
        record = look(client, name)
        if record.state.move != seen.move:
            raise moved_on(name, record.moves[-1])
        move = new_move(
            seen,
            after,
            kind=kind,
            actor=actor,
            reason=reason,
            version=version,
            as_of=as_of,
            rows=_count_rows(name, record.moves),
        )
        write_move(client, record, move)
        return _write_consequences(client, look(client, name)).moves[move.number - 1]


def _count_rows(name: str, moves: tuple[Move, ...]) -> int | None:
    """Count the rows of *name* that were answered since the last of *moves*; None where the log cannot be read.

    A row that reaches the log late counts for the next move: so the ledger's counts sum to the log's.
    """
    from deltalake.exceptions import DeltaError

    from regrow.data.predictions import count_served

    try:
        return max(count_served(name) - sum(move.rows or 0 for move in moves), 0)
    except (RegrowError, DeltaError, OSError) as error:  # A log that fails must not hold up a rollback.
        logger.warning("the rows of %s were not counted: %s", name, error)
        return None


def served_well(moves: tuple[Move, ...] | list[Move]) -> list[int]:
    """Give the versions that were champion before and did not disappoint, the last one first.

    One that was rolled back or put back is not among them, unless it became champion again.
    """
    order: list[int] = []
    failed: set[int] = set()
    for move in moves:
        if move.kind in {"roll back", "put back"} and move.version is not None:
            failed.add(move.version)
        for number in (move.before, move.state.champion):
            if number is not None and number != (order[-1] if order else None):
                order.append(number)
                failed.discard(number)
    current = moves[-1].state.champion if moves else None
    return [number for number in dict.fromkeys(reversed(order)) if number != current and number not in failed]


def statuses(moves: tuple[Move, ...], settled: int) -> dict[int, str]:
    """Say what became of each version that the moves after *settled* concern."""
    found: dict[int, str] = {}
    for move in moves[settled:]:
        earlier = moves[move.number - 2].state if move.number > 1 else State(champion=move.before)
        after = move.state
        if earlier.challenger is not None and earlier.challenger not in {after.challenger, after.champion}:
            found[earlier.challenger] = "superseded"
        if after.champion is not None and after.champion != earlier.champion:
            found[after.champion] = "promoted by hand" if move.kind == "by hand" else "promoted"
        ended: dict[Kind, str] = {"roll back": "rolled back", "put back": "put back", "start": "rolling out"}
        if move.version is not None and move.kind in ended:
            found[move.version] = ended[move.kind]
        if move.kind == "finish" and move.version is not None and move.version != after.champion:
            found[move.version] = "not better"
        if after.challenger is not None:
            found[after.challenger] = "rolling out"
    return found


def _moved_by_hand(client: MlflowClient, record: Record) -> bool:
    """Say whether somebody moved the champion's alias past the ledger: it is seen twice, with no writer at work."""

    def past(shown: Record) -> bool:
        return (
            bool(shown.moves)
            and shown.settled == shown.state.move
            and shown.aliases.get(CHAMPION) != shown.state.champion
            and not any(_is_alive(since) for since in shown.settling.values())
        )

    if not past(record):
        return False
    again = look(client, record.name)
    return past(again) and (again.state, again.aliases.get(CHAMPION)) == (
        record.state,
        record.aliases.get(CHAMPION),
    )


def _record_by_hand(client: MlflowClient, record: Record) -> State:
    """Write a move that takes the alias for the truth; an open rollout ends with it."""
    seen, found = record.state, record.aliases.get(CHAMPION)
    reason = f"the alias {CHAMPION} was moved in MLflow, past the ledger"
    move = new_move(
        seen, State(champion=found), kind="by hand", actor="somebody", reason=reason, version=found
    )
    write_move(client, record, move)
    return _write_consequences(client, look(client, record.name)).state


def _write_consequences(client: MlflowClient, record: Record) -> Record:
    """Write what follows from the moves of *record*, and from those that are made meanwhile."""
    if record.run_id is None or not record.moves or _is_settled(record):
        return record
    run_id, mark = record.run_id, f"{SETTLING}{uuid.uuid4().hex[:8]}"
    client.set_tag(run_id, mark, datetime.now(UTC).isoformat())
    while True:
        _write(client, record, run_id)
        again = look(client, record.name)
        if again.state.move == record.state.move:
            break
        record = again
    settled = str(record.state.move)
    twice(lambda: client.set_registered_model_tag(record.name, SETTLED, settled))
    dead = [key for key, since in again.settling.items() if not _is_alive(since)]
    for key in {mark, *dead}:
        _drop_mark(client, run_id, key)
    return record


def _is_settled(record: Record) -> bool:
    aliases, tags = _consequences(record)
    return (
        record.settled == record.state.move
        and all(record.aliases.get(alias) == number for alias, number in aliases.items())
        and all(record.tags.get(key) == value for key, value in tags.items())
    )


def _consequences(record: Record) -> tuple[dict[str, int | None], dict[str, str]]:
    """Say which aliases and tags the model of *record* should bear."""
    shown = record.state
    aliases = {
        CHAMPION: shown.champion,
        CHALLENGER: shown.challenger,
        PREVIOUS: next(iter(served_well(record.moves)), None),
    }
    return aliases, {STATE: shown.model_dump_json(), MOVE: record.moves[-1].model_dump_json()}


def _write(client: MlflowClient, record: Record, run_id: str) -> None:
    """Write what of *record*'s consequences is not there yet."""
    aliases, tags = _consequences(record)
    for key, value in tags.items():
        if record.tags.get(key) != value:
            twice(lambda key=key, value=value: client.set_registered_model_tag(record.name, key, value))
    for alias, number in aliases.items():
        if record.aliases.get(alias) != number:
            twice(lambda alias=alias, number=number: _point(client, record.name, alias, number))
    for number, status in statuses(record.moves, record.settled).items():
        _where_present(
            lambda n=number, s=status: client.set_model_version_tag(record.name, str(n), STATUS, s)
        )
    moves = [move.model_dump(mode="json") for move in record.moves]
    client.log_text(run_id, json.dumps(moves, indent=1), "ledger.json")


def _point(client: MlflowClient, name: str, alias: str, number: int | None) -> None:
    """Point *alias* at version *number*, or at none."""
    if number is None:
        client.delete_registered_model_alias(name, alias)
    elif alias == CHAMPION:
        client.set_registered_model_alias(name, alias, str(number))
    else:
        _where_present(lambda: client.set_registered_model_alias(name, alias, str(number)))


def _drop_mark(client: MlflowClient, run_id: str, key: str) -> None:
    """Remove a mark, which another writer may have removed already."""
    _where_present(lambda: client.delete_tag(run_id, key))


def _where_present(write: Callable[[], object]) -> None:
    """Write to what may have been deleted in MLflow."""
    try:
        twice(write)
    except MlflowException as error:
        if not is_absent(error):
            raise
        logger.warning("left out, it was deleted in MLflow: %s", error.message)


def _is_alive(since: str) -> bool:
    return datetime.now(UTC) - datetime.fromisoformat(since) < PATIENCE
