from datetime import UTC, datetime

import pandas as pd
import pytest

from regrow.results import ModelFacts
from regrow.snapshots import Snapshot
from tasks.measure_performance import encode_labels, join_labels

EMPTY = Snapshot(uri="file:///none", digest="0" * 64, rows=0, columns={})


def facts(*classes: str | int | bool) -> ModelFacts:
    kind = "binary" if classes else "regression"
    return ModelFacts(
        project="m", kind=kind, classes=classes, id="id", timestamp=None, training=EMPTY, holdout=EMPTY
    )


def moment(day: int) -> pd.Timestamp:
    return pd.Timestamp(datetime(2024, 1, day, tzinfo=UTC))


def test_only_the_version_and_what_was_known_are_joined():
    """Of the watched version each entity's last prediction is joined with the label that was known then."""
    served = pd.DataFrame(
        {
            "_prediction_id": ["a", "b", "c", "d"],
            "_entity_id": ["1", "1", "2", "3"],
            "_served_at": [moment(1), moment(2), moment(1), moment(1)],
            "_version": [2, 2, 1, 2],
        }
    )
    labels = pd.DataFrame(
        {
            "entity_id": ["1", "2", "3"],
            "label": [1.0, 0.0, 1.0],
            "labelled_at": [moment(3), moment(3), moment(9)],
        }
    )
    rows = join_labels(served, labels, 2, moment(5).to_pydatetime())
    assert rows[["_prediction_id", "label"]].to_numpy().tolist() == [["b", 1.0]]


@pytest.mark.parametrize(
    ("classes", "stored"),
    [((False, True), [0.0, 1.0]), (("1", "2"), [1.0, 2.0]), (("no", "yes"), ["no", "yes"])],
)
def test_labels_become_the_models_classes(classes, stored):
    """What the label table made of a class (a number of a boolean) is turned back."""
    assert list(encode_labels(pd.Series(stored), facts(*classes))) == list(classes)
