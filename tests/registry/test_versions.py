"""Versions and their aliases, on a real MLflow store."""

from collections.abc import Callable

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException

from regrow import registry
from regrow.base.errors import RegistryError, Unreachable
from regrow.models.results import Candidate
from regrow.registry import Version

Make = Callable[..., Candidate]
Register = Callable[[str], Version]


def test_a_candidate_has_one_version(name: str, candidate: Make) -> None:
    """Registered twice it keeps its version, with the tags and the card of the first time."""
    made = candidate(name)
    first = registry.register(name, made, "a card", {"regrow.trigger": "alarm"})
    again = registry.register(name, made, "another", {"regrow.trigger": "manual"})
    assert again == first
    assert (first.number, first.tags) == (1, {"regrow.trigger": "alarm", "regrow.recipe": "recipe"})
    assert registry.connect().get_model_version(name, "1").description == "a card"


def test_an_unfinished_upload_is_refused(name: str, candidate: Make) -> None:
    """A model that is not READY becomes no version."""
    with pytest.raises(RegistryError, match="its upload never finished"):
        registry.register(name, candidate(name, LoggedModelStatus.FAILED), "", {})
    assert registry.champion(name) is None


def test_nothing_is_absent_not_unreachable(name: str) -> None:
    """An unknown model has no champion and an empty ledger; an unknown version is an error that says so."""
    assert registry.champion(name) is None
    assert list(registry.ledger(name)) == []
    assert registry.state(name) == registry.reconcile(name).state == registry.State()
    with pytest.raises(RegistryError, match="no version 7"):
        registry.version(name, 7)


def test_champion_to_beat_is_who_the_candidate_must_beat(name: str, candidate: Make) -> None:
    """It is the champion; for the champion itself, the version before it; for the first one, none."""
    first, second, third = candidate(name), candidate(name), candidate(name)
    assert registry.champion_to_beat(name, first) is None
    one = registry.register(name, first, "", {})
    registry.promote(name, one.number, "ada", "first")
    assert registry.champion_to_beat(name, first) is None
    assert same(registry.champion_to_beat(name, second), one)
    two = registry.register(name, second, "", {})
    registry.promote(name, two.number, "ada", "better")
    assert same(registry.champion_to_beat(name, second), one)
    assert same(registry.champion_to_beat(name, third), two)


def same(found: Version | None, expected: Version) -> bool:
    return found is not None and found.number == expected.number


def test_an_unreachable_registry_is_never_no_champion(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where MLflow does not answer, or its database is gone, asking for the champion is an error."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match="start it with `regrow up`"):
        registry.champion(name)


def test_a_registry_that_fails_is_never_no_champion(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the registry is passed on as unreachable."""

    def fail(*_: object) -> None:
        raise MlflowException("the database is gone")

    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", fail)
    monkeypatch.setattr(MlflowClient, "get_registered_model", fail)
    for ask in (registry.champion, registry.state, registry.reconcile, registry.ledger):
        with pytest.raises(Unreachable, match="the database is gone"):
            ask(name)
