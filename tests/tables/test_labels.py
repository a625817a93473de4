"""The labels."""

import pandas as pd
import pytest

from regrow.errors import DataError
from regrow.tables.labels import append_labels, read_labels

START = pd.Timestamp("2026-01-01", tz="UTC")


def test_the_last_label_of_an_entity_wins() -> None:
    """A corrected label replaces the one before; text labels are kept as text."""
    truth = pd.DataFrame({"entity_id": [1, 1, 2], "label": [0, 1, 1], "labelled_at": [START] * 3})
    assert append_labels("demo", truth, "first")
    assert not append_labels("demo", truth, "first")
    append_labels("demo", truth.tail(1).assign(label="late", labelled_at=START + pd.Timedelta(1, "h")), "b")
    assert dict(read_labels("demo")[["entity_id", "label"]].to_numpy()) == {"1": 1.0, "2": "late"}


def test_labels_without_a_column_are_refused() -> None:
    """The message names the column."""
    with pytest.raises(DataError, match="labelled_at"):
        append_labels("demo", pd.DataFrame({"entity_id": [1], "label": [1]}), "first")
