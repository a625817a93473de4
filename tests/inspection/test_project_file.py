"""The text of a project file."""

import json

import numpy as np
import pandas as pd
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from loans import loans

from regrow.inspection.project_file import write_project_file
from regrow.inspection.suggestions import suggest
from regrow.inspection.table import inspect_table
from regrow.project import CsvSource, ProjectFile

SOURCE = CsvSource(kind="csv", path="../loans.csv", separator=";")


def written(frame: pd.DataFrame, target: str) -> str:
    facts = inspect_table(frame, target, "t")
    return write_project_file("loans", SOURCE, facts, suggest(frame, facts))


def read(text: str) -> ProjectFile:
    return ProjectFile.model_validate_json(json.dumps(yaml.safe_load(text)))


def test_the_file_says_what_was_found() -> None:
    """Keys, features, expectations and choices stand in the file, and each choice has a comment."""
    text = written(loans(), "repaid")
    data = read(text).data
    assert (data.target, data.timestamp, data.id, data.entity) == (
        "repaid",
        "issued_at",
        "loan_id",
        "customer",
    )
    assert data.features == ("income", "purpose", "guarantor", "children")
    assert data.source == SOURCE
    for line in (
        "# - written_off_at  # left out:",
        "children  # whole numbers, 10.0% missing",
        "# The newest rows are held out",
    ):
        assert line in text


NAMES = st.text(min_size=1, max_size=30).filter(lambda name: name not in {"y", "Y"})


@settings(max_examples=60, deadline=None)
@given(NAMES, NAMES.map(lambda value: f"class {value}"))
def test_any_name_and_any_value_come_back(name: str, value: str) -> None:
    """Names and values with quotes, colons, line breaks or Unicode are in the file as they are in the table."""
    frame = pd.DataFrame({name: np.arange(60) / 7, "other": [value, "b", "c"] * 20, "y": [0, 1] * 30})
    data = read(written(frame, "y")).data
    assert set(data.features or ()) == {name, "other"} if name.lower() != "other" else True
    sets = [one.arguments["value_set"] for one in data.expectations if "value_set" in one.arguments]
    assert [sorted(one, key=str) for one in sets] == [sorted([value, "b", "c"], key=str)]
