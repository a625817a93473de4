"""Aliases, tags and file follow from the moves alone, whoever wrote how much of them before."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from registry_in_memory import InMemory

from regrow.base.errors import MovedOn
from regrow.registry import reconciliation
from regrow.registry.ledger import RECONCILED, WRITER_TAG, Ledger, read_ledger
from regrow.registry.reconciliation import add_move, make_move, reconcile, write_consequences
from regrow.registry.state import MoveKind, State

OLD = "2024-03-01T00:00:00+00:00"
STEPS = st.lists(
    st.tuples(st.sampled_from(["promote", "roll back", "put back", "finish"]), st.integers(1, 4)),
    min_size=1,
    max_size=5,
)


@contextmanager
def store(aliases: dict[str, int] | None = None) -> Iterator[InMemory]:
    """Let the registry be one in memory, of a model whose prediction log is empty."""
    client = InMemory(aliases)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconciliation, "connect", lambda: client)
        patch.setattr(reconciliation, "count_rows", lambda *_: 0)
        yield client


def move(kind: MoveKind, champion: int | None) -> Ledger:
    """Make *champion* the champion by a move of *kind*."""
    return add_move(reconcile("m"), State(champion=champion), kind, "ada", "why", champion)


def read(client: InMemory) -> Ledger:
    return read_ledger(cast(MlflowClient, client), "m")


@given(STEPS)
def test_after_each_move_everything_follows(steps: list[tuple[MoveKind, int]]) -> None:
    """Aliases, tags and file say what the last move does, no mark of a writer is left, and once more writes nothing."""
    with store() as client:
        for number, (kind, champion) in enumerate(steps, 1):
            given_back = move(kind, champion)
            found = read(client)
            assert found.follows()
            assert (found.state, len(found)) == (State(champion=champion, move=number), number)
            assert given_back.state == found.state
            assert client.aliases["champion"] == champion
            assert client.run_tags == {}
            assert len(json.loads(client.files["ledger.json"])) == number
        before, last = client.written, read(client).state
        assert reconcile("m").state == last
        assert client.written == before


@given(STEPS, st.sets(st.sampled_from(["aliases", "tags", "files", "mark"])))
def test_whatever_a_dead_writer_left_out_is_made_good(
    steps: list[tuple[MoveKind, int]], lost: set[str]
) -> None:
    """A move counts once it is written: all that follows from it is written by whoever comes next."""
    with store() as client:
        for kind, champion in steps:
            move(kind, champion)
        wanted, names = (dict(client.aliases), dict(client.tags)), dict(client.statuses)
        client.tags[RECONCILED] = str(len(steps) - 1)
        if "aliases" in lost:
            client.aliases = {"champion": 9}
        if "tags" in lost:
            client.tags = {key: client.tags[key] for key in ("regrow.moves", RECONCILED)}
        if "files" in lost:
            client.files = {}
        if "mark" in lost:
            client.run_tags[f"{WRITER_TAG}dead"] = OLD
        reconcile("m")
        assert (client.aliases, client.tags) == wanted
        assert (client.statuses, client.run_tags) == (names, {})
        assert len(json.loads(client.files["ledger.json"])) == len(steps)


def test_an_alias_moved_past_the_ledger_becomes_a_move() -> None:
    """If nobody is at work, an alias that disagrees was moved by hand: the ledger says so, and keeps it."""
    with store() as client:
        move("promote", 1)
        client.aliases["champion"] = 2
        last = reconcile("m")[-1]
        assert (last.kind, last.before, last.state) == ("by hand", 1, State(champion=2, move=2))
        assert client.statuses[2] == "promoted by hand"


def test_an_alias_that_a_writer_has_not_moved_yet_is_no_hand() -> None:
    """While somebody is at work the alias may lag behind: it is mended, and no move is made of it."""
    with store() as client:
        move("promote", 1)
        client.aliases["champion"] = 2
        client.run_tags[f"{WRITER_TAG}alive"] = datetime.now(UTC).isoformat()
        assert len(reconcile("m")) == 1
        assert client.aliases["champion"] == 1
        assert list(client.run_tags) == [f"{WRITER_TAG}alive"]


def test_who_saw_an_earlier_state_is_told_who_moved() -> None:
    """A decision about a state that is gone moves nothing, and the error names the move that came before it."""
    with store() as client:
        seen = move("promote", 1).state
        made = make_move("m", seen, State(champion=2), "promote", "ada", "better", 2)
        assert (made.number, made.actor, made.rows) == (2, "ada", 0)
        with pytest.raises(MovedOn, match="promote by ada: better"):
            make_move("m", seen, State(champion=3), "promote", "bob", "mine", 3)
        assert client.aliases["champion"] == 2


def test_a_version_that_was_deleted_holds_nothing_up() -> None:
    """A status or an alias of a version that is gone from MLflow is left out; the champion's alias is written."""
    with store() as client:
        move("promote", 1)
        move("promote", 2)
        client.versions.remove(1)
        client.aliases, client.tags[RECONCILED] = {}, "0"
        reconcile("m")
        assert client.aliases == {"champion": 2}
        assert client.tags[RECONCILED] == "2"


def test_before_the_first_move_nothing_is_written() -> None:
    """A model that somebody made in MLflow, with an alias of their own, is only read."""
    with store({"champion": 1}) as client:
        assert reconcile("m").state == State(champion=1)
        assert write_consequences(cast(MlflowClient, client), Ledger("m")) == Ledger("m")
        assert client.written == 0
