"""From a prediction back to data, code and approval, on a real MLflow store."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from flows.score import score
from flows.train import train
from regrow import provenance, registry
from regrow.data.predictions import read_predictions
from regrow.errors import RegistryError
from regrow.lineage.trace import trace
from regrow.project import Project

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)


def test_a_prediction_leads_to_its_origin(services: object, project: Callable[..., Project]) -> None:
    """Its lines name version, runs, both snapshots with hash and time range, file, lock, and who approved it."""
    made = project()
    train(made.path, AS_OF, "schedule")
    score(made.path, end=datetime(2024, 1, 3, tzinfo=UTC), as_of=AS_OF)
    champion = registry.champion(made.name)
    assert champion is not None
    logged = read_predictions(made.name).rows
    lines = trace(logged["prediction_id"].iloc[0])
    said, texts = dict(lines), [text for _, text in lines]
    facts = champion.facts
    assert said["version"] == f"{made.name} version 1 (promoted)"
    assert logged["entity_id"].iloc[0] in said["  entity"]
    assert champion.run_id in said["training run"]
    assert said["flow run"] == "train as of 2024-03-01T00:00:00+00:00 (schedule)"
    assert {facts.training.digest, facts.holdout.digest} <= set(texts)
    assert said["training data"].startswith(
        f"{facts.training.rows} rows, 2024-01-01T00:00:00+00:00 to 2024-02-"
    )
    assert said["project file"] == f"SHA-256 {made.digest}"
    assert said["lock"] == f"SHA-256 {provenance.lock_digest()}"
    assert said["git commit"] == "none: the project file was not in a git repository"
    assert said["approved by"].startswith("flow ")
    assert "(schedule) at " in said["approved by"]
    assert trace(f"models:/{made.name}/1") == trace(f"models:/{made.name}@champion") == lines[2:]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere", "nowhere: no such prediction in the log; give a prediction_id"),
        ("models:/nowhere/1", "nowhere: no version 1"),
        ("models:/nowhere@champion", "no version of nowhere bears the alias champion"),
        ("models:/nowhere", "give models:/NAME/VERSION or models:/NAME@ALIAS"),
    ],
)
def test_what_is_not_known_is_said(services: object, target: str, message: str) -> None:
    """A prediction, version or alias that does not exist is an error that says what to give."""
    with pytest.raises(RegistryError, match=message):
        trace(target)
