"""The expectations of a project file: one function builds them for `check` and for `train`."""

from typing import Any

import pandas as pd
import pytest

from regrow.base.errors import ProjectError
from regrow.project import Expectation
from regrow.project.expectations import DATABASE_ONLY, build_expectation

KEY = "a.yaml: data.expectations.0"


def test_every_expectation_is_found_by_its_own_name() -> None:
    """Great Expectations' own list says which names exist, `kl_divergence` among them."""
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = [name for name in list_registered_expectation_implementations() if name.startswith("expect_")]
    assert len(known) > 50
    for name in known:
        try:
            build_expectation(Expectation(expect=name), KEY)
        except ProjectError as error:
            assert "no such expectation" not in str(error), name


def test_a_divergence_takes_its_partition() -> None:
    """An argument may be a mapping: the bins and weights of a partition."""
    partition = {"bins": [0, 5, 10], "weights": [0.4, 0.6]}
    expectation = Expectation(
        expect="expect_column_kl_divergence_to_be_less_than",
        arguments={"column": "size", "partition_object": partition, "threshold": 0.1},
    )
    assert build_expectation(expectation, KEY).dict()["partition_object"] == partition


@pytest.mark.parametrize(
    ("expect", "arguments", "message"),
    [
        ("expect_luck", {}, "no such expectation"),
        ("expect_column_values_to_be_unique", {"colum": "id"}, "arguments do not fit"),
        ("expect_column_values_to_match_regex", {"column": "id", "regex": "(("}, r"`\(\(` is no regular"),
        (
            "expect_column_values_to_match_regex_list",
            {"column": "id", "regex_list": ["a", "["]},
            r"`\[` is no regular",
        ),
        (
            "expect_column_values_to_match_like_pattern",
            {"column": "id", "like_pattern": "a%"},
            "databases only",
        ),
        ("expect_table_row_count_to_be_between", {"min_value": 1}, "judges the table, not rows"),
        (
            "expect_column_values_to_be_of_type",
            {"column": "id", "type_": "str"},
            "judges the table, not rows",
        ),
    ],
)
def test_an_expectation_that_cannot_be_is_explained(
    expect: str, arguments: dict[str, Any], message: str
) -> None:
    """The error names file, key and expectation, and says why."""
    expectation = Expectation(expect=expect, arguments=arguments, on_failure="quarantine")
    with pytest.raises(ProjectError, match=rf"a\.yaml: data\.expectations\.0\.\w+: {expect}: .*{message}"):
        build_expectation(expectation, KEY)


def test_great_expectations_computes_the_rest_without_a_database() -> None:
    """What has no implementation for a frame is listed here; anything else has one."""
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.expectations.registry import get_metric_provider

    engine = PandasExecutionEngine(batch_data_dict={"batch": pd.DataFrame({"a": [1]})})
    like = [name for name in DATABASE_ONLY if "like_pattern" in name]
    for name in like:
        metric = name.replace("expect_column_values_to_", "column_values.") + ".unexpected_count"
        with pytest.raises(Exception, match="No provider found"):
            get_metric_provider(metric, engine)
    assert get_metric_provider("column_values.match_regex.condition", engine)
