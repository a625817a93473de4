"""Build the expectations that a project file lists, so that `check` and `train` refuse the same ones."""

import re
from typing import TYPE_CHECKING, Any

from regrow.base.errors import ProjectError
from regrow.project.data import Expectation

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation as Built

COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")
DATABASE_ONLY = frozenset(
    {
        "expect_column_values_to_match_like_pattern",
        "expect_column_values_to_match_like_pattern_list",
        "expect_column_values_to_not_match_like_pattern",
        "expect_column_values_to_not_match_like_pattern_list",
        "expect_query_results_to_match_comparison",
        "expect_table_row_count_to_equal_other_table",
    }
)
"""What Great Expectations computes in a database and not on a frame."""
TYPE_ONLY = frozenset({"expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"})
"""What judges a column's type as a whole and names no rows, though Great Expectations lists it among row rules."""


def build_expectation(expectation: Expectation, key: str) -> "Built":
    """Build *expectation*, which stands under *key* in the project file.

    Raises `ProjectError` if there is no such expectation, it needs a database, its arguments do not fit, or it should
    set rows aside and judges the table.
    """
    from great_expectations.compatibility.pydantic import ValidationError  # pyright: ignore[reportPrivateImportUsage]
    from great_expectations.exceptions.exceptions import (
        ExpectationNotFoundError,
        InvalidExpectationConfigurationError,
    )
    from great_expectations.expectations.registry import get_expectation_impl

    name = expectation.expect
    try:
        kind = get_expectation_impl(expectation.expect)
        arguments: dict[str, Any] = dict(expectation.arguments)
        _check_patterns(arguments)
        built = kind(**arguments)
    except ExpectationNotFoundError as error:
        raise ProjectError(
            f"{key}.expect: {name}: Great Expectations has no such expectation; correct the name"
        ) from error
    except (ValidationError, InvalidExpectationConfigurationError, ValueError, TypeError) as error:
        problem = " ".join(str(error).split())
        raise ProjectError(f"{key}.arguments: {name}: its arguments do not fit: {problem}") from error
    if expectation.expect in DATABASE_ONLY:
        raise ProjectError(
            f"{key}.expect: {name}: is computed in databases only; take one by regex, or check in the query"
        )
    if expectation.on_failure == "quarantine" and not judges_rows(built):
        raise ProjectError(
            f"{key}.on_failure: {name}: judges the table, not rows; write `on_failure: reject`"
        )
    return built


def judges_rows(built: "Built") -> bool:
    """Return whether *built* can name the rows that break it."""
    return "mostly" in built.dict() and built.expectation_type not in TYPE_ONLY


def columns_of(expectation: Expectation) -> list[str]:
    """List the columns that *expectation* names."""
    named = [expectation.arguments.get(key) for key in COLUMN_ARGUMENTS]
    return [str(name) for entry in named if entry for name in (entry if isinstance(entry, list) else [entry])]


def _check_patterns(arguments: dict[str, Any]) -> None:
    """Raise `ValueError` if a regular expression among *arguments* is none: Great Expectations tries it on rows."""
    given = [arguments.get("regex"), *(arguments.get("regex_list") or ())]
    for pattern in given:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"`{pattern}` is no regular expression ({error})") from error
