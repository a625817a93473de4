"""What Great Expectations finds in a table, and how it is told."""

import pandas as pd
import pytest

from regrow.base.errors import DataError, ProjectError
from regrow.inspection.expectations import check
from regrow.project import Expectation

FRAME = pd.DataFrame({"id": [1, 2, 3, 3], "wind": [5.0, 1048.0, None, 7.0]}, index=[9, 8, 7, 6])
UNIQUE = Expectation(expect="expect_column_values_to_be_unique", arguments={"column": "id"})


def test_report_is_a_page():
    """The result is rendered by Great Expectations itself."""
    assert "<html" in check(FRAME, [UNIQUE]).html


@pytest.mark.parametrize(
    ("column", "partition", "passed"),
    [
        ("wind", {"bins": [0, 6, 10], "weights": [0.75, 0.25]}, True),
        ("wind", {"bins": [0, 6, 10], "weights": [0.01, 0.99]}, False),
        ("colour", {"values": ["red", "green"], "weights": [0.5, 0.5]}, True),
    ],
)
def test_a_divergence_is_judged(column, partition, passed, caplog):
    """A Kullback-Leibler divergence of numbers or of categories is a figure in the verdict, and on the page."""
    frame = pd.DataFrame({"wind": [5.0, 5.0, 7.0, 5.0], "colour": ["red", "green"] * 2})
    expectation = Expectation(
        expect="expect_column_kl_divergence_to_be_less_than",
        arguments={"column": column, "partition_object": partition, "threshold": 0.1},
    )
    report = check(frame, [expectation])
    assert report.outcomes[0].passed == passed
    assert "observed" in report.outcomes[0].observed
    assert "np.float64" not in report.outcomes[0].observed
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    ("expectation", "error", "message"),
    [
        (Expectation(expect="expect_luck"), ProjectError, "no such expectation"),
        (UNIQUE.model_copy(update={"arguments": {"colum": "id"}}), ProjectError, "arguments do not fit"),
        (
            UNIQUE.model_copy(update={"arguments": {"column": "nope"}}),
            DataError,
            "column nope is not in the data",
        ),
        (
            Expectation(
                expect="expect_table_row_count_to_be_between",
                arguments={"min_value": 1},
                on_failure="quarantine",
            ),
            ProjectError,
            "judges the table, not rows",
        ),
    ],
)
def test_wrong_expectation_is_explained(expectation, error, message):
    """An expectation that cannot be is an error that says why."""
    with pytest.raises(error, match=message):
        check(FRAME, [expectation])
