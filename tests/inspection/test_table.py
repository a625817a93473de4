"""A table at a glance."""

import numpy as np
import pandas as pd
import pytest
from loans import loans

from regrow.base.errors import DataError
from regrow.inspection.table import inspect_table


def test_what_a_model_should_not_see_is_left_out_with_a_reason() -> None:
    """Constants, empty columns, free text, leaks and numbers as text are left out; the rest are features."""
    facts = inspect_table(loans(), "repaid", "loans.csv")
    assert [column.name for column in facts.features] == ["income", "purpose", "guarantor", "children"]
    assert set(facts.left_out) == {"currency", "fax", "reason", "written_off_at", "price"}
    assert "amounts or shares" in facts.left_out["price"]
    assert facts.target.predicts == "binary"
    assert facts.target.missing == 60


def test_a_leak_is_left_out_and_said() -> None:
    """A column that predicts the target alone is no feature, and a person is told to look."""
    frame = loans()
    frame["score_after"] = (frame["repaid"] == "no") * 3.0
    facts = inspect_table(frame, "repaid", "loans.csv")
    assert "score_after" in facts.left_out
    assert any(
        "`score_after` is left out: it predicts the target nearly alone" in line for line in facts.unsure
    )


def test_a_column_that_counts_the_rows_is_no_feature() -> None:
    """Consecutive numbers, shuffled or not, are left out, and how to make them the row key is said.

    A sixty years' table of years, an amount that happens to be whole and a column with `id` in its name are as before.
    """
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"y": [0, 1] * 300, "x": random.normal(size=600), "pay": random.integers(0, 10**6, 600)}
    )
    facts = inspect_table(frame.assign(ticket=random.permutation(600), step=range(600)), "y", "t")
    assert {column.name for column in facts.features} == {"x", "pay"}
    assert facts.left_out["ticket"].endswith("write `id: ticket`")
    assert inspect_table(frame.assign(id=range(600)), "y", "t").keys.row == "id"
    years = frame[:60].assign(nr_of=range(1900, 1960))
    assert {column.name for column in inspect_table(years, "y", "t").features} == {"x", "pay", "nr_of"}


@pytest.mark.parametrize(
    ("values", "predicts"),
    [
        (["yes", "no"], "binary"),
        ([0.0, 1.0], "binary"),
        ([True, False], "binary"),
        (["a", "b", "c"], "multiclass"),
        ([1, 2, 3], "multiclass"),
        (list(range(50)), "regression"),
        ([1.5, 2.5, 3.25, 4.125], "regression"),
    ],
)
def test_the_kind_of_a_target(values: list, predicts: str) -> None:
    """Text, booleans, two values and a few whole numbers are classes; other numbers are amounts."""
    frame = pd.DataFrame({"y": (values * 200)[:200], "x": np.random.default_rng(0).normal(size=200)})
    assert inspect_table(frame, "y", "t").target.predicts == predicts


def test_a_rare_class_is_told() -> None:
    """A class of too few rows to be held out and measured is named."""
    frame = pd.DataFrame(
        {"y": ["a"] * 100 + ["b"] * 90 + ["c"] * 2, "x": np.random.default_rng(0).normal(size=192)}
    )
    assert inspect_table(frame, "y", "t").target.rare == ("c",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target": "Repaid"}, "did you mean `repaid`"),
        ({"target": "currency"}, "it holds one value in all rows"),
        ({"target": "fax"}, "it holds nothing in all rows"),
        ({"target": "reason"}, "it holds free text"),
        ({"target": "issued_at"}, "it holds dates"),
        ({"rows": 10}, "10 rows are too few"),
        ({"rename": {"income": "Purpose"}}, "`Purpose` and `purpose` differ in capitals alone"),
        ({"only": ["repaid", "currency"]}, "no column is left .* `currency`: every row has the same value"),
    ],
)
def test_a_table_that_teaches_nothing_is_refused(change: dict, said: str) -> None:
    """What cannot be predicted, or by nothing, is refused with the column and what to do."""
    frame = loans(400).rename(columns=change.get("rename", {})).head(change.get("rows", 400))
    with pytest.raises(DataError, match=said):
        inspect_table(frame[change.get("only", list(frame))], change.get("target", "repaid"), "loans.csv")
