"""What a stored model says of itself, for models that tests make up."""

from regrow.data.snapshots import Snapshot
from regrow.models.results import ModelFacts, ProblemType

NOWHERE = Snapshot(uri="file:///gone.parquet", digest="0" * 64, rows=0, columns={})
"""A snapshot without rows, whose file is not there."""


def make_facts(*classes: str | int | float | bool, **changes: object) -> ModelFacts:
    """Return the facts of a classifier of *classes*, or of a regression if there are none, with *changes*."""
    kind: ProblemType = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
    facts = {
        "project": "demo",
        "kind": kind,
        "classes": classes,
        "id": None,
        "timestamp": None,
        "training": NOWHERE,
        "holdout": NOWHERE,
    }
    return ModelFacts.model_validate(facts | changes)
