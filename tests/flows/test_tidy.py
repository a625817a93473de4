"""The whole of tidying, on real servers."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from flows.tidy import tidy
from flows.train import train
from regrow import registry
from regrow.lineage import find_experiment
from regrow.project import Project
from tasks import tidy_runs

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.long
def test_a_year_later_what_the_champion_needs_is_there(
    services: object, project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed training is gone, the one that made the champion stays with its rows; doing it again changes nothing."""
    made = project()
    monkeypatch.setenv("REGROW_CONFIGS", str(made.path.parent))
    monkeypatch.setattr(tidy_runs, "NEWEST", 0)
    train(made.path, AS_OF)
    with pytest.raises(Exception, match="no row"):
        train(made.path, datetime(1990, 1, 1, tzinfo=UTC))
    client = registry.connect()
    experiment = find_experiment(client, made.name)
    before = len(client.search_runs([experiment]))
    facts = registry.version(made.name, 1).facts
    old = time.time() - 400 * 86_400
    for part in (facts.training, facts.holdout):
        os.utime(part.path, (old, old))
    later = datetime.now(UTC) + timedelta(days=365)
    seen = [
        {one.kind: one.count for one in tidy(as_of=later, dry_run=dry_run) if one.of in {"", made.name}}
        for dry_run in (True, False, False)
    ]
    assert seen[0]["runs"] == seen[1]["runs"] > 0 == seen[2]["runs"]
    assert len(client.search_runs([experiment])) == before - seen[1]["runs"]
    assert len(facts.training.read()) == facts.training.rows
    assert registry.champion(made.name) is not None
