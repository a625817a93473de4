"""What is said if no rollout is open."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from regrow.project import Project
from regrow.registry import State
from tasks import find_rollout as module
from tasks.find_rollout import find_rollout, nothing_open


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
    """The state that is found is the settled one, and stands on the run."""
    record, made = remember(module), project()
    settled = State(champion=1, challenger=2, move=7)
    monkeypatch.setattr(module.registry, "settle", lambda name: settled if name == made.name else State())
    assert find_rollout.function(made) == settled
    assert record.tags == {"move": 7, "champion": 1, "challenger": 2}
