"""Which table a journal belongs to, and which rows that table has a shape for."""

from typing import Any

import pytest

from regrow.serving.log.tables import TO_LABELS, TO_PREDICTIONS, UNFIT, destination_of

LABEL = {
    "entity_id": "7",
    "label": True,
    "labelled_at": 1_764_000_000_000_000,
    "received_at": 1_764_000_000_000_000,
}


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


def test_a_writer_is_known_by_its_name():
    """The journal of labels begins with their prefix; every other one is of predictions."""
    assert destination_of("labels-0123") is TO_LABELS
    assert destination_of("0123") is TO_PREDICTIONS


@pytest.mark.parametrize(
    "change", [{"label": None}, {"entity_id": None}, {"labelled_at": "today"}, {"received_at": {}}]
)
def test_a_label_that_is_none_is_unfit(change: Any):
    """A label without its truth, its time or its row raises; a whole one does not."""
    TO_LABELS.check("demo", {}, [LABEL])
    with pytest.raises(UNFIT):
        TO_LABELS.check("demo", {}, [LABEL | change])
