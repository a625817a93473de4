"""What is said if no rollout is open."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from regrow.project import Project
from regrow.registry import Ledger, Move, State
from tasks import find_rollout as module
from tasks.find_rollout import find_rollout, nothing_open, nothing_to_look_at

NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("champion", "told"), [(None, "no champion"), (3, "version 3 answers everything")])
def test_nothing_open_says_who_answers(
    project: Callable[..., Project], champion: int | None, told: str
) -> None:
    """There is nothing to decide, which is no failure, and the reason says who answers."""
    verdict = nothing_open(project(), State(champion=champion))
    assert (verdict.passed, verdict.outcome) == (True, "hold")
    assert verdict.reason.endswith(f"no rollout is open; {told}")


def test_a_look_at_nothing_leaves_nothing_and_closes_what_died(
    project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a rollout there is a verdict before any MLflow run is opened; runs of dead processes are still closed."""
    made, swept, plan = project(), list[str](), {"kind": "shadow"}
    rolling = {"id": "v2", "plan": plan, "stage": 0, "since": NOW, "began": NOW}
    monkeypatch.setattr(module.registry, "connect", lambda: "client")
    monkeypatch.setattr(module, "find_experiment", lambda _, name: f"of {name}")
    monkeypatch.setattr(module, "clear_up", lambda _, __, experiment: swept.append(experiment))

    def seen(**state: Any) -> None:
        found = SimpleNamespace(state=State.model_validate(state))
        monkeypatch.setattr(module.registry, "reconcile", lambda _: found)

    seen(champion=3)
    verdict = nothing_to_look_at.fn(made)
    assert verdict is not None
    assert verdict.reason.endswith("no rollout is open; version 3 answers everything")
    assert swept == [f"of {made.name}"]
    seen(champion=3, challenger=4, rollout=rolling)
    assert nothing_to_look_at.fn(made) is None
    assert len(swept) == 1


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
