"""Runs that come late: each flow judges who served at its `as_of`, on a real Prefect server and a real MLflow store."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from flows.monitor import monitor
from flows.retrain import retrain
from flows.score import score
from flows.train import train
from regrow import registry
from regrow.base.errors import RegistryError
from regrow.project import Project

FIRST, BETWEEN, SECOND = (datetime(2024, 2, day, tzinfo=UTC) for day in (1, 10, 20))


@pytest.fixture
def succeeded(services: object, project: Callable[..., Project]) -> Project:
    """Train a champion as of the first of February, and its successor as of the twentieth."""
    made = project(
        evaluation={"primary": "roc_auc", "gates": []},
        monitoring={"window": "9d"},
        retraining={"least_labels": 1},
    )
    assert train(made.path, FIRST).passed
    assert train(made.path, SECOND).passed
    return made


def champions_seen(project: Project) -> list[str]:
    """List whom the runs of `find_champion` and `find_champion_to_beat` found, oldest first."""
    client = registry.connect()
    experiment = client.get_experiment_by_name(project.name)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return [
        run.data.params.get("champion") or run.data.tags["regrow.champion_to_beat"]
        for run in found
        if run.data.tags.get("regrow.step") in {"find_champion", "find_champion_to_beat"}
    ]


@pytest.mark.long
def test_a_late_run_judges_who_served_then(succeeded: Project) -> None:
    """`score`, `monitor` and `retrain` as of a moment between two promotions take the first version."""
    path = succeeded.path
    assert champions_seen(succeeded) == ["None", "1"]
    assert score(path, start=FIRST, as_of=BETWEEN).version == 1
    monitor(path, BETWEEN)
    decision = retrain(path, BETWEEN)
    assert champions_seen(succeeded) == ["None", "1", "1", "1", "1", "1"]
    assert "version 2 serves since" in decision.reason
    assert score(path, start=FIRST, end=SECOND).version == 2


@pytest.mark.long
def test_what_was_trained_late_takes_nobodys_place(succeeded: Project) -> None:
    """A training as of a moment before the last promotion is judged against the champion of then, and refused."""
    verdict = train(succeeded.path, BETWEEN)
    assert (verdict.decision, verdict.passed) == ("deploy", False)
    assert (
        "version 2 serves since, and version 3 was compared with the champion as of 2024-02-10"
        in verdict.reason
    )
    assert registry.version(succeeded.name, 3).tags["regrow.status"] == "refused"
    assert [move.state.champion for move in registry.ledger(succeeded.name)] == [1, 2]
    assert train(succeeded.path, SECOND).passed
    assert len(registry.ledger(succeeded.name)) == 2


@pytest.mark.long
def test_before_the_first_champion_there_is_nothing_to_judge(succeeded: Project) -> None:
    """A moment before the first move is an error that says since when there is a champion."""
    message = r"had no champion as of 2024-01-20 00:00 UTC: its first one serves as of 2024-02-01 00:00 UTC"
    for flow in (monitor, retrain, score):
        with pytest.raises(RegistryError, match=message):
            flow(succeeded.path, as_of=datetime(2024, 1, 20, tzinfo=UTC))
    with pytest.raises(RegistryError, match="no version bears the alias `challenger`; name another alias"):
        score(succeeded.path, alias="challenger")
