"""What a scheduled run of a new model waits for."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

import tasks.await_start
from regrow import registry
from regrow.project import Project
from tasks.await_start import await_start, what_is_awaited

NOW = datetime(2024, 3, 1, tzinfo=UTC)
EARLIER, LATER = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand for the registry and the log: by default a champion that was asked."""
    found = SimpleNamespace(champion="v1", moves=[EARLIER], served=7)
    monkeypatch.setattr(registry, "champion_at", lambda *_: found.champion)
    monkeypatch.setattr(
        registry, "ledger", lambda _: [SimpleNamespace(as_of=moment) for moment in found.moves]
    )
    monkeypatch.setattr(tasks.await_start, "count_served", lambda _: found.served)
    monkeypatch.setattr(tasks.await_start, "get_run_logger", lambda: logging.getLogger("test"))
    return found


@pytest.mark.parametrize(
    ("champion", "moves", "served", "traffic", "awaited"),
    [
        ("v1", [EARLIER], 7, True, ""),
        (None, [], 0, False, "waits for its first champion: regrow train"),
        (None, [LATER], 0, True, "waits for its first champion"),
        (None, [EARLIER], 7, True, ""),
        ("v1", [EARLIER], 0, True, "waits for its first prediction"),
        ("v1", [EARLIER], 0, False, ""),
    ],
)
def test_what_a_new_model_waits_for(
    project: Callable[..., Project],
    seen: SimpleNamespace,
    champion,
    moves,
    served,
    traffic: bool,
    awaited: str,
) -> None:
    """Before the first champion and before the first prediction there is something to wait for; later there is not."""
    seen.champion, seen.moves, seen.served = champion, moves, served
    found = what_is_awaited(project(), NOW, traffic)
    assert awaited in found
    assert bool(found) == bool(awaited)


def test_only_a_schedule_waits(project: Callable[..., Project], seen: SimpleNamespace) -> None:
    """A scheduled run ends undecided with what it waits for; one that a person started goes on, and fails by it."""
    seen.champion, seen.moves = None, []
    verdict = await_start.function(project(), "schedule", NOW, "monitor", True)
    assert verdict is not None
    assert (verdict.decision, verdict.result) == ("monitor", "undecided")
    assert await_start.function(project(), "manual", NOW, "monitor", True) is None
    seen.champion = "v1"
    assert await_start.function(project(), "schedule", NOW, "retrain") is None
