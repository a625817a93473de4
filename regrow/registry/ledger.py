"""A model's ledger as it was read at one moment: every move, and what else the registry showed of the model."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import overload

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from regrow.base.tracking import STATE
from regrow.registry.connection import connect, is_absent, reaching
from regrow.registry.state import Move, MoveKind, State
from regrow.registry.versions import CHALLENGER, CHAMPION, PREVIOUS

LEDGER_RUN = "regrow.moves"
"""Names the run that holds the moves: a tag of the model and, with its name, a param of its first version's run."""
MOVE_PARAM = "move."
WRITER_TAG = "settling."
RECONCILED, LAST_MOVE, STATUS = "regrow.settled", "regrow.move", "regrow.status"
WRITER_TIMEOUT = timedelta(seconds=60)
"""After this long the mark of a writer is taken for that of a dead process."""
STATUS_AFTER: dict[MoveKind, str] = {
    "roll back": "rolled back",
    "put back": "put back",
    "start": "rolling out",
}


@dataclass(frozen=True)
class Ledger(Sequence[Move]):
    """The moves of a model, oldest first, and its aliases and tags, as they were read together.

    Whoever writes by it cannot overwrite what came after: move 17 is written once, so a writer whose ledger ends with
    move 16 is told if there is one already.
    """

    name: str
    aliases: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    run_id: str | None = None
    """The MLflow run that holds the moves; None before the first."""
    moves: tuple[Move, ...] = ()
    writers: dict[str, str] = field(default_factory=dict)
    """The marks of those who were writing what follows from the moves, and since when."""

    @overload
    def __getitem__(self, place: int) -> Move: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Move, ...]: ...
    def __getitem__(self, place: int | slice) -> Move | tuple[Move, ...]:
        """Return the move at *place*, from 0 on, or those of a slice."""
        return self.moves[place]

    def __len__(self) -> int:
        """Return the number of moves."""
        return len(self.moves)

    @property
    def state(self) -> State:
        """What the last move says; before the first one, what the alias says."""
        return self.moves[-1].state if self.moves else State(champion=self.aliases.get(CHAMPION))

    @property
    def reconciled(self) -> int:
        """Number of the last move from which all is written that follows."""
        return int(self.tags.get(RECONCILED, "0"))

    @property
    def has_writer(self) -> bool:
        """Whether somebody was writing what follows from the moves."""
        return any(is_alive(since) for since in self.writers.values())

    def state_before(self, move: Move) -> State:
        """Return what was true before *move*."""
        return self.moves[move.number - 2].state if move.number > 1 else State(champion=move.before)

    def champion_at(self, as_of: datetime) -> int | None:
        """Return the version that was champion at *as_of*; None if none was.

        A move counts from its own `as_of` on, and one that was written later stands above those before it: so a replay
        of last year, whose moves lie in the past, finds who served then. Before the first move it is the version that
        this move replaced.
        """
        made = next((move for move in reversed(self.moves) if move.as_of <= as_of), None)
        if made is not None:
            return made.state.champion
        return self.moves[0].before if self.moves else self.state.champion

    def promotions_of(self, number: int) -> list[Move]:
        """Return the moves that made version *number* the champion."""
        return [move for move in self.moves if move.state.champion == number and move.before != number]

    def served_well(self) -> list[int]:
        """Return the versions that were champion before and did not disappoint, the last one first.

        One that was rolled back or put back is not among them, unless it became champion again.
        """
        order: list[int] = []
        failed: set[int] = set()
        for move in self.moves:
            if move.kind in {"roll back", "put back"} and move.version is not None:
                failed.add(move.version)
            for number in (move.before, move.state.champion):
                if number is not None and number != (order[-1] if order else None):
                    order.append(number)
                    failed.discard(number)
        gone = {self.state.champion, *failed}
        return [number for number in dict.fromkeys(reversed(order)) if number not in gone]

    def expected_aliases(self) -> dict[str, int | None]:
        """Return the version of each alias of the model by the moves; None if it should not exist."""
        previous = next(iter(self.served_well()), None)
        return {CHAMPION: self.state.champion, CHALLENGER: self.state.challenger, PREVIOUS: previous}

    def expected_tags(self) -> dict[str, str]:
        """Return the tags that the model should have by the moves."""
        return {STATE: self.state.model_dump_json(), LAST_MOVE: self.moves[-1].model_dump_json()}

    def new_statuses(self) -> dict[int, str]:
        """Return the status of each version that a move concerns which is not reconciled yet."""
        found: dict[int, str] = {}
        for move in self.moves[self.reconciled :]:
            found |= _statuses(self.state_before(move), move)
        return found

    def follows(self) -> bool:
        """Return whether aliases and tags are what the moves say, and all was written."""
        return (
            self.reconciled == self.state.move
            and all(self.aliases.get(alias) == number for alias, number in self.expected_aliases().items())
            and all(self.tags.get(key) == value for key, value in self.expected_tags().items())
        )

    def with_move(self, move: Move, run_id: str) -> "Ledger":
        """Return the ledger with *move*, which was just written to the run *run_id*."""
        return replace(self, moves=(*self.moves, move), run_id=run_id)


def ledger(name: str) -> Ledger:
    """Read the ledger of *name*; it is empty if no move was ever made."""
    with reaching(f"ledger of {name}"):
        return read_ledger(connect(), name)


def state(name: str) -> State:
    """Return what is true of *name*, and change nothing."""
    return ledger(name).state


def read_ledger(client: MlflowClient, name: str) -> Ledger:
    """Read what the registry shows of *name*: the aliases first, then the moves."""
    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if is_absent(error):
            return Ledger(name)
        raise
    aliases = {alias: int(number) for alias, number in model.aliases.items()}
    tags = dict(model.tags)
    run_id = tags.get(LEDGER_RUN)
    if run_id is None:
        return Ledger(name, aliases, tags)
    run = client.get_run(run_id).data
    keys = sorted(key for key in run.params if key.startswith(MOVE_PARAM))
    moves = tuple(_parse(run.params[key]) for key in keys)
    writers = {key: since for key, since in run.tags.items() if key.startswith(WRITER_TAG)}
    return Ledger(name, aliases, tags, run_id, moves, writers)


def is_alive(since: str) -> bool:
    """Return whether a writer that left its mark at *since* may still be at work."""
    return datetime.now(UTC) - datetime.fromisoformat(since) < WRITER_TIMEOUT


@lru_cache(maxsize=10_000)
def _parse(text: str) -> Move:
    """Read a move; it never changes."""
    return Move.read(text)


def _statuses(before: State, move: Move) -> dict[int, str]:
    """Return the status of each version that *move*, made in the state *before*, concerns."""
    after, found = move.state, dict[int, str]()
    if before.challenger is not None and before.challenger not in {after.challenger, after.champion}:
        found[before.challenger] = "superseded"
    if after.champion is not None and after.champion != before.champion:
        found[after.champion] = "promoted by hand" if move.kind == "by hand" else "promoted"
    if move.version is not None and move.kind in STATUS_AFTER:
        found[move.version] = STATUS_AFTER[move.kind]
    if move.kind == "finish" and move.version is not None and move.version != after.champion:
        found[move.version] = "not better"
    if after.challenger is not None:
        found[after.challenger] = "rolling out"
    return found
