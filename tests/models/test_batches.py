"""Chunks of rows that are scored: how they are carried along."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from regrow.data.delta import TIME
from regrow.models.batches import carried_types, decided
from regrow.project import Data


def test_columns_are_carried_in_one_type() -> None:
    """A number is a double, whatever the first rows look like; a name is text; a date and a boolean stay so."""
    content = {"source": {"kind": "csv", "path": "x"}, "target": "y", "id": "n", "entity": "who"}
    frame = pd.DataFrame(
        {
            "n": [1], "who": [2], "size": [3], "word": ["x"], "flag": [True],
            "at": pd.to_datetime(["2026-01-01"], utc=True),
        }
    )  # fmt: skip
    found = carried_types(
        frame, ("size", "word", "flag", "at"), Data.model_validate_json(json.dumps(content))
    )
    expected = {
        "n": pa.string(),
        "who": pa.string(),
        "size": pa.float64(),
        "word": pa.string(),
        "flag": pa.bool_(),
    }
    assert found == expected | {"at": TIME}


def test_a_boolean_with_gaps_is_carried_as_one() -> None:
    """A period in which a boolean has gaps fits the destination of one in which it had none."""
    content = {"source": {"kind": "csv", "path": "x"}, "target": "y"}
    frame = pd.DataFrame({"flag": [True, None, False], "word": ["x", None, "y"]})
    found = carried_types(frame, ("flag", "word"), Data.model_validate_json(json.dumps(content)))
    assert found == {"flag": pa.bool_(), "word": pa.string()}


@pytest.mark.parametrize(
    ("classes", "threshold", "expected"),
    [
        (("no", "yes"), None, ["no", "yes", "no", None]),
        (("no", "yes"), 0.2, ["no", "yes", "yes", None]),
        ((0, 1), 0.2, [0, 1, 1, None]),
        ((False, True), None, [False, True, False, None]),
    ],
)
def test_a_decision_is_by_the_threshold(
    classes: tuple[Any, ...], threshold: float | None, expected: list[Any]
) -> None:
    """A decision is a class as the table has it: by the threshold, else the likeliest; without a prediction none."""
    model: Any = SimpleNamespace(facts=SimpleNamespace(classes=classes, threshold=threshold))
    positive = np.array([0.1, 0.9, 0.2, np.nan])
    assert decided(np.column_stack([1 - positive, positive]), model).to_pylist() == expected


def test_of_several_classes_the_likeliest_is_decided_for() -> None:
    """Three classes have no threshold; no row at all gives no decision, of the same type."""
    model: Any = SimpleNamespace(facts=SimpleNamespace(classes=("a", "b", "c"), threshold=None))
    assert decided(np.array([[0.2, 0.3, 0.5], [0.4, 0.3, 0.3]]), model).to_pylist() == ["c", "a"]
    assert decided(np.zeros((0, 3)), model).type == pa.string()
