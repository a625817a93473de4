"""The moves of a model: each is written once, as a param of one MLflow run, and the last one says what is true.

MLflow overwrites aliases and tags blindly, but a param that stands it never changes. So of two writers who both
saw move 16, one writes move 17, and the other is told who came first.
"""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from regrow.errors import MovedOn, RegistryError
from regrow.registry.connection import is_absent, twice
from regrow.registry.state import Move, State
from regrow.registry.versions import CHAMPION

MOVES = "regrow.moves"
"""Names the run that holds the moves: a tag of the model and, with its name, a param of its first version's run."""
SETTLED = "regrow.settled"
SETTLING = "settling."
_PARAM = "move."
_LONGEST = 4900
"""Characters of a move: MLflow cuts a param at 6,000 and a tag at 5,000, the one silently."""


@dataclass(frozen=True)
class Record:
    """What the registry showed of a model at one moment."""

    name: str
    aliases: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    run_id: str | None = None
    moves: tuple[Move, ...] = ()
    settling: dict[str, str] = field(default_factory=dict)
    """Who was writing what follows from the moves, and since when."""

    @property
    def state(self) -> State:
        """What the last move says; before the first one, what the alias says."""
        return self.moves[-1].state if self.moves else State(champion=self.aliases.get(CHAMPION))

    @property
    def settled(self) -> int:
        """Number of the last move whose consequences are all written."""
        return int(self.tags.get(SETTLED, "0"))


def look(client: MlflowClient, name: str) -> Record:
    """Read what the registry shows of *name*: the aliases first, then the moves."""
    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if is_absent(error):
            return Record(name)
        raise
    aliases = {alias: int(number) for alias, number in model.aliases.items()}
    tags = dict(model.tags)
    run_id = tags.get(MOVES)
    if run_id is None:
        return Record(name, aliases, tags)
    run = client.get_run(run_id).data
    keys = sorted(key for key in run.params if key.startswith(_PARAM))
    moves = tuple(_read(run.params[key]) for key in keys)
    settling = {key: since for key, since in run.tags.items() if key.startswith(SETTLING)}
    return Record(name, aliases, tags, run_id, moves, settling)


@lru_cache(maxsize=10_000)
def _read(text: str) -> Move:
    """Read a move, which never changes."""
    return Move.model_validate_json(text)


def write_move(client: MlflowClient, record: Record, move: Move) -> None:
    """Write *move* after the last one of *record*: this makes it true.

    Raises `MovedOn` where another writer has written that move already.
    """
    run_id = record.run_id or _choose_run(client, record.name)
    key = f"{_PARAM}{move.number:06d}"
    try:
        client.log_param(run_id, key, _fit(move).model_dump_json())
    except MlflowException as error:
        standing = client.get_run(run_id).data.params.get(key)
        if standing is None:
            raise
        raise moved_on(record.name, Move.model_validate_json(standing)) from error


def moved_on(name: str, first: Move) -> MovedOn:
    """Say that *first* came before what was asked."""
    return MovedOn(
        f"{name}: another writer moved first ({first.kind} by {first.actor}: {first.reason}); nothing was "
        f"changed; see `regrow ledger {name}`, and ask again if it is still wanted"
    )


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
    """Give the run that holds the moves of *name*; of two processes that make one, a param of a third decides.

    That third is the run of the model's first version: every process finds it.
    """
    versions = client.search_model_versions(f"name = '{name}'", max_results=10_000)
    anchor = min(
        (found for found in versions if found.run_id), key=lambda found: int(found.version), default=None
    )
    if anchor is None:
        raise RegistryError(f"{name}: no version was registered by a run; register one with `regrow train`")
    run = client.get_run(str(anchor.run_id))
    key = f"{MOVES}/{name}"
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
    twice(lambda: client.set_registered_model_tag(name, MOVES, chosen))
    return chosen


def _find_or_create(client: MlflowClient, experiment_id: str, name: str) -> str:
    """Find a run for the moves of *name* that a process made and did not live to name, or create one."""
    key = f"moves/{name}"
    found = client.search_runs([experiment_id], f"tags.`regrow.key` = '{key}'", max_results=1)
    if found:
        return found[0].info.run_id
    tags = {"regrow.key": key, "mlflow.note.content": f"The deployment ledger of {name}: one param a move."}
    return client.create_run(experiment_id, run_name=f"moves of {name}", tags=tags).info.run_id


def new_move(seen: State, after: State, **facts: object) -> Move:
    """Make the move from *seen* to *after*."""
    number = seen.move + 1
    now = datetime.now(UTC)
    return Move.model_validate(
        {
            "number": number,
            "id": uuid.uuid4().hex,
            "at": now,
            "as_of": now,
            "before": seen.champion,
            "state": after.model_copy(update={"move": number}),
            **{name: value for name, value in facts.items() if value is not None},
        }
    )
