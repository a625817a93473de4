"""Where each step leads a rollout, and which steps there are none to."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from registry_in_memory import InMemory

from regrow.base.errors import MovedOn, RegistryError
from regrow.project import Canary, Shadow
from regrow.registry import reconciliation
from regrow.registry.reconciliation import add_move, reconcile
from regrow.registry.rollout_moves import (
    advance,
    end_rollout,
    finish,
    open_rollout,
    pause,
    resume,
    start_rollout,
)
from regrow.registry.state import Rollout, State

AT = datetime(2024, 3, 1, tzinfo=UTC)
LATER = AT + timedelta(days=1)
CANARY = Canary(kind="canary", weights=(0.05, 0.5))


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemory]:
    """Let the registry be one in memory, of a model whose champion is version 1."""
    client = InMemory()
    monkeypatch.setattr(reconciliation, "connect", lambda: client)
    monkeypatch.setattr(reconciliation, "count_rows", lambda *_: 0)
    add_move(reconcile("m"), State(champion=1), "promote", "ada", "first", 1)
    return client


@pytest.fixture
def rolling() -> State:
    """Start the rollout of version 2."""
    move = start_rollout("m", 2, CANARY, "flow", "passed", AT)
    assert move is not None
    return move.state


def rollout_of(state: State) -> Rollout:
    assert state.rollout is not None
    return state.rollout


def test_a_rollout_begins_in_its_first_stage(rolling: State, store: InMemory) -> None:
    """The champion stays, the challenger and the plan stand beside it, and the moment names the rollout."""
    assert (rolling.champion, rolling.challenger) == (1, 2)
    assert rolling.rollout == Rollout(id="v2-20240301T000000", plan=CANARY, stage=0, since=AT, began=AT)
    assert (store.aliases["champion"], store.aliases["challenger"]) == (1, 2)


def test_the_same_challenger_starts_once(rolling: State) -> None:
    """A run that is repeated finds its rollout open."""
    assert start_rollout("m", 2, CANARY, "flow", "passed", LATER) is None
    assert reconcile("m").state == rolling


def test_another_challenger_supersedes(rolling: State, store: InMemory) -> None:
    """The open rollout ends, and the reason names it."""
    move = start_rollout("m", 3, Shadow(kind="shadow"), "flow", "passed", LATER)
    assert move is not None
    assert (move.state.challenger, rollout_of(move.state).id) == (3, "v3-20240302T000000")
    assert move.reason == "passed (supersedes the rollout v2-20240301T000000)"
    assert (store.statuses[2], store.statuses[3]) == ("superseded", "rolling out")


def test_a_challenger_needs_another_champion(store: InMemory) -> None:
    """The champion cannot challenge itself, and the first version has nobody to challenge."""
    with pytest.raises(RegistryError, match="version 1 has no other champion to prove itself against"):
        start_rollout("m", 1, CANARY, "flow", "passed")
    store.params, store.tags, store.aliases = {}, {}, {}
    with pytest.raises(RegistryError, match="version 2 has no other champion"):
        start_rollout("m", 2, CANARY, "flow", "passed")


def test_a_stage_follows_the_other_until_the_last(rolling: State) -> None:
    """Each advance begins the clock of its stage anew and leaves that of the rollout; after the last there is none."""
    second = advance("m", rolling, "flow", "well", LATER).state
    rollout = rollout_of(second)
    assert (rollout.stage, rollout.since, rollout.began) == (1, LATER, AT)
    assert (second.champion, second.challenger) == (1, 2)
    with pytest.raises(RegistryError, match="v2-20240301T000000 is in its last stage; finish it"):
        advance("m", second, "flow", "well", LATER)


@pytest.mark.parametrize(
    ("promoted", "champion", "status"), [(True, 2, "promoted"), (False, 1, "not better")]
)
def test_a_finish_leaves_one_version(
    rolling: State, store: InMemory, promoted: bool, champion: int, status: str
) -> None:
    """The challenger takes the champion's place if it is promoted, and nobody challenges any more."""
    move = finish("m", rolling, "flow", "proven", promoted, LATER)
    assert move.state == State(champion=champion, move=3)
    assert (store.statuses[2], store.aliases.get("challenger")) == (status, None)


def test_a_rollback_leaves_the_champion(rolling: State, store: InMemory) -> None:
    """The challenger loses its share, its status says why, and it is not the version to return to."""
    assert end_rollout("m", rolling, "flow", "it fails", LATER).state == State(champion=1, move=3)
    assert store.statuses[2] == "rolled back"


def test_a_pause_holds_until_it_is_resumed(rolling: State) -> None:
    """Pausing twice is pausing once, resuming likewise; stage, clock and challenger stay as they are."""
    assert resume("m", "ada", "back") is None
    paused = pause("m", "ada", "holiday")
    assert paused is not None
    assert paused.state == rolling.model_copy(
        update={"move": 3, "rollout": rollout_of(rolling).model_copy(update={"paused": True})}
    )
    assert pause("m", "ada", "holiday") is None
    again = resume("m", "ada", "back")
    assert again is not None
    assert again.state == rolling.model_copy(update={"move": 4})


@pytest.mark.parametrize(
    "step",
    [
        lambda seen: advance("m", seen, "flow", "well"),
        lambda seen: finish("m", seen, "flow", "proven", promoted=True),
        lambda seen: end_rollout("m", seen, "flow", "it fails"),
        lambda seen: pause("m", "ada", "holiday"),
        lambda seen: resume("m", "ada", "back"),
        lambda seen: open_rollout("m", seen),
    ],
)
def test_without_a_rollout_there_is_no_step(step: Callable[[State], object]) -> None:
    """Each says that no rollout is open and where to look, and moves nothing."""
    seen = reconcile("m").state
    with pytest.raises(RegistryError, match="no rollout is open; see `regrow ledger m`"):
        step(seen)
    assert reconcile("m").state == seen


def test_a_look_at_a_state_that_is_gone_moves_nothing(rolling: State) -> None:
    """Who decided before somebody paused must look again."""
    pause("m", "ada", "holiday")
    with pytest.raises(MovedOn, match="pause by ada: holiday"):
        advance("m", rolling, "flow", "well")
