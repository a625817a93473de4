from datetime import UTC, datetime

import pandas as pd
import pytest

from regrow.data.snapshots import Snapshot
from regrow.results import ModelFacts
from tasks.measure_performance import encode_labels, label_rows

EMPTY = Snapshot(uri="file:///none", digest="0" * 64, rows=0, columns={})


def facts(*classes: str | int | bool) -> ModelFacts:
    kind = "binary" if classes else "regression"
    return ModelFacts(
        project="m", kind=kind, classes=classes, id="id", timestamp=None, training=EMPTY, holdout=EMPTY
    )


def moment(day: int) -> pd.Timestamp:
    return pd.Timestamp(datetime(2024, 1, day, tzinfo=UTC))


def test_an_entity_counts_once_and_a_labelled_prediction_always():
    """Of the watched version come each entity's last prediction, and every one that was labelled itself."""
    served = pd.DataFrame(
        {
            "prediction_id": ["a", "b", "c", "d", "e"],
            "entity_id": ["1", "1", "1", "2", None],
            "served_at": [moment(1), moment(2), moment(3), moment(1), moment(1)],
            "version": [2, 2, 2, 1, 2],
        }
    )
    labels = pd.DataFrame(
        {
            "prediction_id": ["a", None, None],
            "entity_id": [None, "1", "2"],
            "label": [0.0, 1.0, 1.0],
            "labelled_at": [moment(3)] * 3,
        }
    )
    rows = label_rows(served, labels, 2)
    assert rows[["prediction_id", "label"]].to_numpy().tolist() == [["a", 0.0], ["c", 1.0]]


@pytest.mark.parametrize(
    ("classes", "stored"),
    [((False, True), [0.0, 1.0]), (("1", "2"), [1.0, 2.0]), (("no", "yes"), ["no", "yes"])],
)
def test_labels_become_the_models_classes(classes, stored):
    """What the label table made of a class (a number of a boolean) is turned back."""
    assert list(encode_labels(pd.Series(stored), facts(*classes))) == list(classes)
