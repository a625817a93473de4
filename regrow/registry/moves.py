"""Write moves: each is a param of one MLflow run, written once, and the last one says what is true.

MLflow overwrites aliases and tags blindly, but a param that was written never changes. So of two writers who both
saw move 16, one writes move 17, and the other is told who came first.
"""

import logging
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from regrow.base.errors import MovedOn, RegistryError, RegrowError
from regrow.registry.connection import twice
from regrow.registry.ledger import LEDGER_RUN, MOVE_PARAM, Ledger
from regrow.registry.state import Move, MoveKind, State

_LONGEST = 4900
"""Characters of a move: MLflow cuts a param at 6,000 and a tag at 5,000, the one silently."""
logger = logging.getLogger("regrow.registry")


def new_move(
    ledger: Ledger,
    after: State,
    kind: MoveKind,
    actor: str,
    reason: str,
    version: int | None,
    as_of: datetime | None = None,
    rows: int | None = None,
) -> Move:
    """Make the move that leads from the last one of *ledger* to *after*."""
    seen, now = ledger.state, datetime.now(UTC)
    number = seen.move + 1
    return Move(
        number=number, id=uuid.uuid4().hex, at=now, as_of=as_of or now, actor=actor, reason=reason, kind=kind,
        version=version, before=seen.champion, state=after.model_copy(update={"move": number}), rows=rows,
    )  # fmt: skip


def write_move(client: MlflowClient, ledger: Ledger, move: Move) -> Ledger:
    """Write *move* after the last one of *ledger*, which makes it true, and return the ledger that it leads to.

    Raises `MovedOn` if another writer has written that move already.
    """
    run_id, move = ledger.run_id or _choose_run(client, ledger.name), _fit(move)
    key = f"{MOVE_PARAM}{move.number:06d}"
    try:
        client.log_param(run_id, key, move.model_dump_json())
    except MlflowException as error:
        standing = client.get_run(run_id).data.params.get(key)
        if standing is None:
            raise
        raise moved_on(ledger.name, Move.read(standing)) from error
    return ledger.with_move(move, run_id)


def moved_on(name: str, first: Move) -> MovedOn:
    """Return the error that *first* came before the move that was asked for."""
    return MovedOn(
        f"{name}: another writer moved first ({first.kind} by {first.actor}: {first.reason}); nothing was "
        f"changed; see `regrow ledger {name}`, and ask again if it is still wanted"
    )


def count_rows(name: str, moves: Sequence[Move]) -> int | None:
    """Count the rows of *name* that were answered since the last of *moves*; None if the log cannot be read.

    A row that reaches the log late counts for the next move: so the ledger's counts sum to the log's.
    """
    from deltalake.exceptions import DeltaError

    from regrow.data.predictions import count_served

    try:
        return max(count_served(name) - sum(move.rows or 0 for move in moves), 0)
    except (RegrowError, DeltaError, OSError) as error:  # A log that fails must not hold up a rollback.
        logger.warning("the rows of %s were not counted: %s", name, error)
        return None


def _fit(move: Move) -> Move:
    """Shorten the reason of *move* until it fits."""
    while len(move.model_dump_json()) > _LONGEST:
        if len(move.reason) < 2:
            raise RegistryError(
                f"the rollout plan takes more than {_LONGEST} characters; give deployment.rollout fewer weights"
            )
        move = move.model_copy(update={"reason": f"{move.reason[: len(move.reason) // 2]}…"[:-1]})
    return move


def _choose_run(client: MlflowClient, name: str) -> str:
    """Return the run that holds the moves of *name*; the first time, create it.

    Two processes may create one each. Both then write their own as the same param of the run of the model's first
    version, which every process finds. The one that was written first holds; the other is deleted.
    """
    versions = client.search_model_versions(f"name = '{name}'", max_results=10_000)
    first = min(
        (found for found in versions if found.run_id), key=lambda found: int(found.version), default=None
    )
    if first is None:
        raise RegistryError(f"{name}: no version was registered by a run; register one with `regrow train`")
    run = client.get_run(str(first.run_id))
    key = f"{LEDGER_RUN}/{name}"
    own = run.data.params.get(key) or _find_or_create(client, run.info.experiment_id, name)
    try:
        client.log_param(run.info.run_id, key, own)
        chosen = own
    except MlflowException:
        standing = client.get_run(run.info.run_id).data.params.get(key)
        if standing is None:
            raise
        chosen = standing
        client.delete_run(own)
    twice(lambda: client.set_registered_model_tag(name, LEDGER_RUN, chosen))
    return chosen


def _find_or_create(client: MlflowClient, experiment_id: str, name: str) -> str:
    """Find a run for the moves of *name* that a process created and did not live to name, or create one."""
    key = f"moves/{name}"
    found = client.search_runs([experiment_id], f"tags.`regrow.key` = '{key}'", max_results=1)
    if found:
        return found[0].info.run_id
    tags = {"regrow.key": key, "mlflow.note.content": f"The deployment ledger of {name}: one param a move."}
    return client.create_run(experiment_id, run_name=f"moves of {name}", tags=tags).info.run_id
