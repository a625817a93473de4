"""Whom a flow finds as champion, and what it says if there is none."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from regrow import registry
from regrow.base.errors import RegistryError
from regrow.project import Project
from regrow.registry import Move, State, Version
from tasks.find_champion import version_at

MARCH = datetime(2024, 3, 1, tzinfo=UTC)
FOUND = Version(name="n", number=3, model_id="m", run_id="r", tags={})


@pytest.fixture
def made(project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch) -> Project:
    """Make a model without any version."""
    monkeypatch.setattr(registry, "champion_at", lambda *_: None)
    monkeypatch.setattr(registry, "by_alias", lambda *_: None)
    monkeypatch.setattr(registry, "ledger", lambda _: [])
    return project()


def test_the_champion_is_asked_for_at_the_moment(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name and moment go to the ledger; another alias is taken as it is now."""
    monkeypatch.setattr(
        registry, "champion_at", lambda *asked: FOUND if asked == (made.name, MARCH) else None
    )
    assert version_at(made, MARCH, "champion") == FOUND
    monkeypatch.setattr(
        registry, "by_alias", lambda *asked: FOUND if asked == (made.name, "challenger") else None
    )
    assert version_at(made, MARCH, "challenger") == FOUND


def test_a_model_that_was_never_trained_is_to_be_trained(made: Project) -> None:
    """Without a move the remedy is a training."""
    with pytest.raises(
        RegistryError, match=f"{made.name} has no champion; train it first: regrow train {made.name}"
    ):
        version_at(made, MARCH, "champion")


def test_a_moment_before_the_first_champion_names_that_moment(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a later first move the remedy is a later moment."""
    first = Move(
        number=1,
        id="1",
        at=MARCH,
        as_of=MARCH,
        actor="ada",
        reason="",
        kind="promote",
        state=State(champion=1),
    )
    monkeypatch.setattr(registry, "ledger", lambda _: [first])
    message = "had no champion as of 2024-02-01 00:00 UTC: its first one serves as of 2024-03-01 00:00 UTC"
    with pytest.raises(RegistryError, match=message):
        version_at(made, datetime(2024, 2, 1, tzinfo=UTC), "champion")


def test_an_alias_that_nobody_bears_is_named(made: Project) -> None:
    """Another alias has another remedy."""
    with pytest.raises(RegistryError, match="no version bears the alias `challenger`; name another alias"):
        version_at(made, MARCH, "challenger")
