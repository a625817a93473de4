"""Versions, the champion and the ledger of its moves, on a real MLflow store."""

from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from regrow import registry
from regrow.errors import RegistryError, Unreachable
from regrow.lineage import find_experiment
from regrow.registry import CHAMPION, PREVIOUS, Version
from regrow.results import Candidate, ModelFacts
from regrow.snapshots import Snapshot

ROWS = Snapshot(uri="file:///nowhere", digest="0" * 64, rows=1, columns={})
FACTS = ModelFacts(project="test", kind="regression", id=None, timestamp=None, training=ROWS, holdout=ROWS)


@pytest.fixture
def name(services: object) -> str:
    return f"registry-{uuid4().hex[:8]}"


def candidate(name: str, status: LoggedModelStatus = LoggedModelStatus.READY) -> Candidate:
    """Log a model without files."""
    client = registry.connect()
    experiment = find_experiment(client, name)
    run = client.create_run(experiment)
    model = client.create_logged_model(experiment, name="model", source_run_id=run.info.run_id)
    client.finalize_logged_model(model.model_id, status)
    return Candidate(model_id=model.model_id, run_id=run.info.run_id, recipe="recipe", facts=FACTS)


def registered(name: str) -> Version:
    return registry.register(name, candidate(name), "a card", {"regrow.trigger": "manual"})


def alias(name: str, which: str) -> int | None:
    found = registry.by_alias(name, which)
    return found.number if found else None


def moves(name: str) -> list[tuple[int | None, int, str]]:
    return [(move.from_version, move.to_version, move.status) for move in registry.ledger(name)]


def test_a_candidate_has_one_version(name: str) -> None:
    """Registered twice it keeps its version, with the tags and the card of the first time."""
    made = candidate(name)
    first = registry.register(name, made, "a card", {"regrow.trigger": "alarm"})
    again = registry.register(name, made, "another", {"regrow.trigger": "manual"})
    assert again == first
    assert (first.number, first.tags) == (1, {"regrow.trigger": "alarm", "regrow.recipe": "recipe"})
    assert registry.connect().get_model_version(name, "1").description == "a card"


def test_an_unfinished_upload_is_refused(name: str) -> None:
    """A model that is not READY becomes no version."""
    with pytest.raises(RegistryError, match="its upload never finished"):
        registry.register(name, candidate(name, LoggedModelStatus.FAILED), "", {})
    assert registry.champion(name) is None


def test_nothing_is_absent_not_unreachable(name: str) -> None:
    """An unknown model has no champion and an empty ledger; an unknown version is an error that says so."""
    assert registry.champion(name) is None
    assert registry.ledger(name) == []
    with pytest.raises(RegistryError, match="no version 7"):
        registry.version(name, 7)


def test_promoting_twice_changes_nothing(name: str) -> None:
    """One move, one entry, the actor of the first time; the version before is remembered."""
    one, two = registered(name), registered(name)
    registry.promote(name, one.number, "ada", "first")
    done = registry.promote(name, two.number, "ada", "better")
    assert registry.promote(name, two.number, "bob", "again") == done
    assert moves(name) == [(None, 1, "done"), (1, 2, "done")]
    assert (alias(name, CHAMPION), alias(name, PREVIOUS)) == (2, 1)


def test_rival_is_who_the_candidate_must_beat(name: str) -> None:
    """It is the champion; for the champion itself, the version before it; for the first one, none."""
    first, second, third = candidate(name), candidate(name), candidate(name)
    assert registry.rival(name, first) is None
    one = registry.register(name, first, "", {})
    registry.promote(name, one.number, "ada", "first")
    assert registry.rival(name, first) is None
    assert registry.rival(name, second) == one
    two = registry.register(name, second, "", {})
    registry.promote(name, two.number, "ada", "better")
    assert registry.rival(name, second) == one
    assert registry.rival(name, third) == two


@pytest.mark.parametrize("earlier", [False, True])
def test_what_does_not_serve_is_put_back(name: str, earlier: bool) -> None:
    """Where confirmation fails the alias returns to the version before, or goes, and the ledger says so."""
    if earlier:
        registry.promote(name, registered(name).number, "ada", "first")
    version = registered(name)

    def confirm() -> None:
        assert alias(name, CHAMPION) == version.number
        raise Unreachable("the server is down")

    with pytest.raises(Unreachable, match="the server is down"):
        registry.promote(name, version.number, "ada", "better", confirm)
    before = 1 if earlier else None
    assert alias(name, CHAMPION) == before
    assert moves(name)[-1] == (before, version.number, "put back")
    registry.promote(name, version.number, "ada", "once more", lambda: None)
    assert alias(name, CHAMPION) == version.number
    assert moves(name)[-2:] == [(before, version.number, "put back"), (before, version.number, "done")]


def test_a_move_that_was_cut_off_is_finished(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off between the two aliases, the next promotion sets both and closes the entry that was begun."""
    one, two = registered(name), registered(name)
    registry.promote(name, one.number, "ada", "first")
    move = MlflowClient.set_registered_model_alias

    def cut(client: MlflowClient, name: str, which: str, version: str) -> None:
        if which == PREVIOUS:
            raise KeyboardInterrupt
        move(client, name, which, version)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MlflowClient, "set_registered_model_alias", cut)
        registry.promote(name, two.number, "ada", "better")
    assert moves(name)[-1] == (1, 2, "intended")
    registry.promote(name, two.number, "bob", "better")
    assert (alias(name, CHAMPION), alias(name, PREVIOUS)) == (2, 1)
    assert moves(name) == [(None, 1, "done"), (1, 2, "done")]


def test_an_unreachable_registry_is_never_no_champion(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where MLflow does not answer, or its database is gone, asking for the champion is an error."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match="start it with `regrow up`"):
        registry.champion(name)


def test_a_registry_that_fails_is_never_no_champion(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the registry is passed on as unreachable."""
    from mlflow.exceptions import MlflowException

    def fail(*_: object) -> None:
        raise MlflowException("the database is gone")

    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", fail)
    with pytest.raises(Unreachable, match="the database is gone"):
        registry.champion(name)
