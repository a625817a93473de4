"""Whom a candidate has to beat."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import tasks.find_champion_to_beat
from regrow import registry
from regrow.data.snapshots import Snapshot
from regrow.models.results import Candidate, ChampionToBeat, ModelFacts
from regrow.registry import Version

MARCH = datetime(2024, 3, 1, tzinfo=UTC)
ROWS = Snapshot(uri="file:///nowhere", digest="0" * 64, rows=1, columns={})
FACTS = ModelFacts(project="p", kind="binary", id=None, timestamp=None, training=ROWS, holdout=ROWS)
CANDIDATE = Candidate(model_id="m2", run_id="r2", recipe="2", facts=FACTS)


@pytest.mark.parametrize("number", [None, 1])
def test_it_is_the_champion_of_the_moment_or_nobody(
    number: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry is asked with the moment of the run; what it finds goes on as a plain value, and onto the run."""
    tagged: dict[str, Any] = {}
    version = number and Version(
        name="p", number=number, model_id="m1", run_id="r1", tags={"regrow.recipe": "1"}
    )
    asked: list[object] = []
    monkeypatch.setattr(Version, "facts", property(lambda _: FACTS))
    monkeypatch.setattr(registry, "champion_to_beat", lambda *question: asked.extend(question) or version)
    monkeypatch.setattr(
        tasks.find_champion_to_beat,
        "current",
        lambda: SimpleNamespace(tag=lambda **tags: tagged.update(tags)),
    )
    project: Any = SimpleNamespace(name="p")
    found = tasks.find_champion_to_beat.find_champion_to_beat.function(project, CANDIDATE, MARCH)
    candidate = Candidate(model_id="m1", run_id="r1", recipe="1", facts=FACTS)
    assert found == (ChampionToBeat(number=1, candidate=candidate) if number else ChampionToBeat())
    assert asked == ["p", CANDIDATE, MARCH]
    assert tagged == {"champion_to_beat": number}
