"""The moves: what each leads to, that it is made once, and what is done past them; on a real MLflow store."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from regrow import registry
from regrow.base.errors import MovedOn, RegistryError, Unreachable
from regrow.project import Canary, Shadow
from regrow.registry import CHALLENGER, CHAMPION, PREVIOUS, State, Version

Register = Callable[[str], Version]
Versions = Callable[[str, int], str]
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
CANARY = Canary(kind="canary", weights=(0.05, 0.5))
SHADOW = Shadow(kind="shadow")


def aliases(name: str) -> tuple[int | None, int | None, int | None]:
    """Return champion, challenger and previous champion."""
    found = [registry.by_alias(name, alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)]
    return tuple(each.number if each else None for each in found)  # pyright: ignore[reportReturnType]


def moves(name: str) -> list[tuple[str, int | None, int | None]]:
    return [(move.kind, move.before, move.state.champion) for move in registry.ledger(name)]


def status(name: str) -> list[str | None]:
    found = registry.connect().search_model_versions(f"name = '{name}'")
    return [each.tags.get("regrow.status") for each in sorted(found, key=lambda each: int(each.version))]


@pytest.fixture
def model(name: str, with_versions: Versions) -> str:
    """Return a model with four versions, of which the first is the champion."""
    with_versions(name, 4)
    registry.promote(name, 1, "ada", "first")
    return name


def test_promoting_twice_changes_nothing(model: str) -> None:
    """One move, one entry, the actor of the first time; the version before is remembered."""
    done = registry.promote(model, 2, "ada", "better")
    assert registry.promote(model, 2, "bob", "again") == done
    assert moves(model) == [("promote", None, 1), ("promote", 1, 2)]
    assert aliases(model) == (2, None, 1)


def test_a_rollout_goes_through_its_stages(model: str) -> None:
    """Start, advance, pause, resume, finish: state, aliases and statuses show each step."""
    registry.start_rollout(model, 2, CANARY, "flow", "passed", AS_OF)
    seen = registry.state(model)
    assert seen.rollout is not None
    assert (seen.champion, seen.challenger, seen.rollout.id) == (1, 2, "v2-20240301T000000")
    assert (seen.rollout.current.weight, seen.rollout.is_last) == (0.05, False)
    assert (aliases(model), status(model)[:2]) == ((1, 2, None), ["promoted", "rolling out"])
    later = AS_OF + timedelta(days=1)
    registry.advance(model, seen, "flow", "holds", later)
    assert registry.pause(model, "ada", "holiday") is not None
    assert registry.pause(model, "ada", "holiday") is None
    seen = registry.state(model)
    assert seen.rollout is not None
    assert (seen.rollout.stage, seen.rollout.since, seen.rollout.paused) == (1, later, True)
    registry.resume(model, "ada", "back")
    registry.finish(model, registry.state(model), "flow", "proven", promoted=True)
    assert (aliases(model), status(model)[:2]) == ((2, None, 1), ["promoted", "promoted"])
    assert [kind for kind, *_ in moves(model)] == ["promote", "start", "advance", "pause", "resume", "finish"]
    assert registry.state(model) == State(champion=2, move=6)


def test_starting_twice_starts_once(model: str) -> None:
    """A rollout that is open is not begun again."""
    assert registry.start_rollout(model, 2, CANARY, "flow", "passed", AS_OF) is not None
    before = registry.ledger(model)
    assert registry.start_rollout(model, 2, SHADOW, "flow", "passed", AS_OF) is None
    assert registry.ledger(model) == before


def test_a_new_challenger_supersedes(model: str) -> None:
    """The rollout of the older challenger ends, and the ledger says which one."""
    registry.start_rollout(model, 2, CANARY, "flow", "passed", AS_OF)
    registry.start_rollout(model, 3, CANARY, "flow", "passed", AS_OF)
    assert (aliases(model), status(model)[1:3]) == ((1, 3, None), ["superseded", "rolling out"])
    assert "supersedes the rollout v2-20240301T000000" in registry.ledger(model)[-1].reason


def test_what_is_not_better_leaves_the_champion(model: str) -> None:
    """A comparison that ends without a winner keeps the champion and says so of the challenger."""
    registry.start_rollout(model, 2, CANARY, "flow", "passed", AS_OF)
    registry.finish(model, registry.state(model), "flow", "no difference", promoted=False)
    assert (aliases(model), status(model)[:2]) == ((1, None, None), ["promoted", "not better"])


def test_a_rollback_ends_the_open_rollout_first(model: str) -> None:
    """The challenger goes, the champion stays; the next rollback moves the champion."""
    registry.promote(model, 2, "ada", "better")
    registry.start_rollout(model, 3, CANARY, "flow", "passed", AS_OF)
    registry.roll_back(model, "ada 1", "it smells")
    assert (aliases(model), status(model)[2]) == ((2, None, 1), "rolled back")
    registry.roll_back(model, "ada 2", "it still smells")
    assert (aliases(model), status(model)[:2]) == ((1, None, None), ["promoted", "rolled back"])
    with pytest.raises(RegistryError, match="no version served well before"):
        registry.roll_back(model, "ada 3", "more")


def test_a_rollback_is_undone_by_naming_the_version(model: str) -> None:
    """What was rolled back is restored, and the version that stood in for it is still good to return to."""
    registry.promote(model, 2, "ada", "better")
    registry.roll_back(model, "ada 1", "worse")
    registry.roll_back(model, "ada 2", "it was the weather", to=2)
    assert (aliases(model), moves(model)[-1]) == ((2, None, 1), ("promote", 1, 2))
    with pytest.raises(RegistryError, match="is the champion already"):
        registry.roll_back(model, "ada 3", "again", to=2)
    registry.roll_back(model, "ada 4", "it was not")
    assert aliases(model)[0] == 1


def test_a_rollback_never_returns_to_what_disappointed(model: str) -> None:
    """Versions that were rolled back or put back are passed over, and one that was deleted too."""
    registry.promote(model, 2, "ada", "better")
    with pytest.raises(Unreachable):
        registry.promote(model, 3, "ada", "better", fail)
    registry.promote(model, 4, "ada", "better")
    assert aliases(model)[2] == 2
    registry.connect().delete_model_version(model, "2")
    registry.roll_back(model, "ada 1", "worse")
    assert aliases(model)[0] == 1


def test_one_actor_rolls_back_once(model: str) -> None:
    """A flow run that is tried again finds its own move, and does not roll back a second time."""
    registry.promote(model, 2, "ada", "better")
    registry.promote(model, 3, "ada", "better")
    registry.roll_back(model, "flow 7", "worse")
    again = registry.roll_back(model, "flow 7", "worse")
    assert (again.kind, aliases(model)[0], len(moves(model))) == ("roll back", 2, 4)


def fail(state: State) -> None:
    raise Unreachable(f"the server is down, version {state.champion} does not answer")


@pytest.mark.parametrize("earlier", [False, True])
def test_what_does_not_serve_is_put_back(name: str, registered: Register, earlier: bool) -> None:
    """Where confirmation fails the alias returns to the version before, or goes, and the ledger says so."""
    if earlier:
        registry.promote(name, registered(name).number, "ada", "first")
    version, before = registered(name), 1 if earlier else None
    with pytest.raises(Unreachable, match=f"version {version.number} does not answer"):
        registry.promote(name, version.number, "ada", "better", fail)
    assert aliases(name) == (before, None, None)
    assert moves(name)[-2:] == [("promote", before, version.number), ("put back", version.number, before)]
    assert status(name)[-1] == "put back"
    registry.promote(name, version.number, "ada", "once more", lambda _: None)
    assert (aliases(name)[0], status(name)[-1]) == (version.number, "promoted")


def test_a_promotion_is_confirmed_once(model: str) -> None:
    """One that was cut off before its confirmation is confirmed by the next; one that was confirmed, never again."""

    def die(_: State) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        registry.promote(model, 2, "ada", "better", die)
    asked: list[State] = []
    for _ in range(2):
        registry.promote(model, 2, "ada", "better", asked.append)
    assert asked == [registry.state(model)]
    registry.promote(model, 2, "ada", "better", fail)


def test_a_finish_that_does_not_serve_leaves_the_rollout_open(model: str) -> None:
    """It is open again in the same stage, to be finished by a later look."""
    registry.start_rollout(model, 2, SHADOW, "flow", "passed", AS_OF)
    seen = registry.state(model)
    move = registry.finish(model, seen, "flow", "proven", promoted=True)
    with pytest.raises(Unreachable):
        registry.confirm_or_put_back(model, move, "flow", fail)
    assert registry.state(model) == seen.model_copy(update={"move": 4})
    assert (aliases(model), status(model)[:2]) == ((1, 2, None), ["promoted", "rolling out"])


def test_an_alias_moved_by_hand_is_recorded(model: str) -> None:
    """What somebody did in MLflow's page is taken for the truth, ends the rollout, and stands in the ledger once."""
    registry.start_rollout(model, 2, CANARY, "flow", "passed", AS_OF)
    registry.connect().set_registered_model_alias(model, CHAMPION, "4")
    assert registry.reconcile(model).state == State(champion=4, move=3)
    assert (moves(model)[-1], status(model)) == (
        ("by hand", 1, 4),
        ["promoted", "superseded", None, "promoted by hand"],
    )
    assert registry.reconcile(model).state == registry.state(model)
    registry.connect().delete_model_version(model, "4")
    assert registry.reconcile(model).state.champion is None
    registry.roll_back(model, "ada", "bring it back")
    assert aliases(model)[0] == 1


def test_an_alias_moved_by_hand_stops_a_writer(model: str) -> None:
    """Who looked before the hand moved is told to look again."""
    registry.start_rollout(model, 2, CANARY, "flow", "passed", AS_OF)
    seen = registry.reconcile(model).state
    registry.connect().set_registered_model_alias(model, CHAMPION, "4")
    with pytest.raises(MovedOn, match="by hand"):
        registry.advance(model, seen, "flow", "holds", AS_OF)


@pytest.mark.parametrize("age", [0, 120])
def test_an_alias_that_a_late_writer_moved_is_mended(model: str, age: int) -> None:
    """While a writer's mark stands, an alias that disagrees is set right; a mark of long ago counts for nothing."""
    registry.promote(model, 2, "ada", "better")
    client = registry.connect()
    run_id = client.get_registered_model(model).tags["regrow.moves"]
    since = datetime.now(UTC) - timedelta(seconds=age)
    client.set_tag(run_id, "settling.late", since.isoformat())
    client.set_registered_model_alias(model, CHAMPION, "1")
    assert registry.reconcile(model).state.champion == (1 if age else 2)
    assert ("settling.late" in client.get_run(run_id).data.tags) == (not age)


def test_what_follows_from_the_moves_is_mended(model: str) -> None:
    """A state or an alias of the challenger that somebody changed is set right again."""
    registry.start_rollout(model, 2, CANARY, "flow", "passed", AS_OF)
    client, before = registry.connect(), registry.state(model)
    client.delete_registered_model_alias(model, CHALLENGER)
    client.set_registered_model_tag(model, "regrow.state", "{}")
    assert registry.reconcile(model).state == before
    assert aliases(model) == (1, 2, None)
    assert State.model_validate_json(client.get_registered_model(model).tags["regrow.state"]) == before


def test_a_registry_from_before_the_moves_goes_on(name: str, registered: Register) -> None:
    """A champion that has only an alias is the state before the first move, and what a rollback returns to."""
    registered(name)
    registered(name)
    registry.connect().set_registered_model_alias(name, CHAMPION, "1")
    assert registry.reconcile(name).state == State(champion=1)
    assert registry.promote(name, 1, "ada", "again") is None
    registry.promote(name, 2, "ada", "better")
    assert aliases(name) == (2, None, 1)
    registry.roll_back(name, "ada", "worse")
    assert aliases(name)[0] == 1


def test_who_looked_too_early_is_refused(model: str) -> None:
    """A writer that saw an older state is told who moved first, and nothing changes."""
    registry.start_rollout(model, 2, CANARY, "flow", "passed", AS_OF)
    seen = registry.reconcile(model).state
    registry.pause(model, "ada", "holiday")
    before = registry.ledger(model)
    with pytest.raises(MovedOn, match=r"another writer moved first \(pause by ada: holiday\)"):
        registry.advance(model, seen, "flow", "holds", AS_OF)
    assert registry.ledger(model) == before


def test_a_reason_of_any_length_fits(model: str) -> None:
    """MLflow cuts what is too long in silence: the reason is cut before that, and the move is read back whole."""
    move = registry.promote(model, 2, "ada", 'so "good"\n' * 2000)
    assert move is not None
    assert len(move.model_dump_json()) < 5000
    assert registry.ledger(model)[-1] == move


def test_a_plan_that_does_not_fit_is_refused(model: str) -> None:
    """A plan too long for the registry is an error, and the champion stays alone."""
    weights = tuple(index / 1000 for index in range(1, 999))
    with pytest.raises(RegistryError, match="fewer weights"):
        registry.start_rollout(model, 2, Canary(kind="canary", weights=weights), "flow", "passed", AS_OF)
    assert registry.state(model).rollout is None


def test_nothing_to_move_is_said(model: str) -> None:
    """Without an open rollout pausing or advancing is an error; so is a rollout without another champion."""
    with pytest.raises(RegistryError, match="no rollout is open"):
        registry.pause(model, "ada", "holiday")
    with pytest.raises(RegistryError, match="no other champion"):
        registry.start_rollout(model, 1, CANARY, "flow", "passed", AS_OF)


def test_two_models_of_one_run_have_their_own_ledgers(services: object, with_versions: Versions) -> None:
    """A model that was registered under a second name starts a ledger of its own."""
    first, second = (with_versions(f"twin-{uuid4().hex[:8]}", 1) for _ in range(2))
    client = registry.connect()
    run_id = client.get_model_version(first, "1").run_id
    client.create_model_version(second, str(client.get_model_version(first, "1").source), run_id)
    client.delete_model_version(second, "1")
    registry.promote(first, 1, "ada", "first")
    registry.promote(second, 2, "ada", "first")
    assert [[move.state.champion for move in registry.ledger(name)] for name in (first, second)] == [[1], [2]]
