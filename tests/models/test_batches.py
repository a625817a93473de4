"""Chunks of rows that are scored: how they are carried along."""

import json

import pandas as pd
import pyarrow as pa

from regrow.data.delta import TIME
from regrow.models.batches import carried_types
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
