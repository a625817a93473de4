"""What is said if no rollout is open."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from regrow.project import Project
from regrow.registry import Ledger, Move, State
from tasks import find_rollout as module
from tasks.find_rollout import find_rollout, nothing_open

NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("champion", "told"), [(None, "no champion"), (3, "version 3 answers everything")])
def test_nothing_open_says_who_answers(
    project: Callable[..., Project], champion: int | None, told: str
) -> None:
    """There is nothing to decide, which is no failure, and the reason says who answers."""
    verdict = nothing_open(project(), State(champion=champion))
    assert (verdict.passed, verdict.outcome) == (True, "hold")
    assert verdict.reason.endswith(f"no rollout is open; {told}")


def test_what_a_dead_writer_began_is_finished_first(
    project: Callable[..., Project], remember: Callable[[ModuleType], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state that is found is that of the reconciled ledger, and stands on the run."""
    record, made = remember(module), project()
    state = State(champion=1, challenger=2, move=7)
    about = {"number": 7, "id": "7", "at": NOW, "as_of": NOW, "actor": "ada", "reason": "r", "kind": "start"}
    found = Ledger(made.name, moves=(Move.model_validate({**about, "state": state}),))
    monkeypatch.setattr(module.registry, "reconcile", {made.name: found}.__getitem__)
    assert find_rollout.function(made) == state
    assert record.tags == {"move": 7, "champion": 1, "challenger": 2}
