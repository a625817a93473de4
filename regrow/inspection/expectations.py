"""Test a table against the expectations of a project file, with Great Expectations."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from regrow.base.errors import DataError
from regrow.project import Expectation
from regrow.project.expectations import build_expectation, columns_of
from regrow.project.imports import naming_origin

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.expectations.expectation import Expectation as Built


@dataclass(frozen=True)
class Outcome:
    """What one expectation found in a batch."""

    expectation: Expectation
    passed: bool
    rows: tuple[int, ...]
    """Places of the rows that break it; empty if it judges the table as a whole."""
    observed: str

    @property
    def name(self) -> str:
        """The expectation with its columns: `expect_column_values_to_be_unique(flight_id)`."""
        return f"{self.expectation.expect}({', '.join(columns_of(self.expectation))})"


@dataclass(frozen=True)
class Report:
    """What every expectation found, and the page that shows it."""

    outcomes: tuple[Outcome, ...]
    html: str


def check(frame: pd.DataFrame, expectations: Sequence[Expectation], key: str = "data.expectations") -> Report:
    """Test *frame* against *expectations*, which stand under *key* in the project file, with Great Expectations.

    Raises `ProjectError` if an expectation cannot be, `DataError` if it cannot be computed on these rows.
    """
    keys = [f"{key}.{place}" for place in range(len(expectations))]
    built = [build_expectation(each, place) for each, place in zip(expectations, keys, strict=True)]
    for expectation, place in zip(expectations, keys, strict=True):
        missing = [column for column in columns_of(expectation) if column not in frame]
        if missing:
            raise DataError(
                f"{place}: {expectation.expect}: column {', '.join(missing)} is not in the data; "
                "correct the name, or the source"
            )
    with naming_origin(DataError, f"{key}: Great Expectations fails on these rows"):
        result = _run(frame.reset_index(drop=True), built)
        found = {_place(entry): entry for entry in result.results}
        html = _render(result)
    parts = enumerate(zip(expectations, keys, strict=True))
    return Report(tuple(_outcome(each, found[at], place) for at, (each, place) in parts), html)


def _run(frame: pd.DataFrame, built: "list[Built]") -> "ExpectationSuiteValidationResult":
    """Run the expectations in a context that writes nothing, and return what they found in plain numbers.

    A batch that is fetched first and then asked to validate is fetched twice, and each time all of it is hashed.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.validator.v1_validator import Validator

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    for place, expectation in enumerate(built):
        expectation.meta = {"place": place}
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("batch")
    validator = Validator(
        batch_definition=asset.add_batch_definition_whole_dataframe("whole"),
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False},
    )
    result = validator.validate_expectation_suite(
        gx.ExpectationSuite(name="expectations", expectations=built)
    )
    for entry in result.results:
        # Its own page cannot show a number of NumPy 2, and says so in forty lines of the log.
        entry.result.update(_plain(entry.result))
    return result


def _place(entry: Any) -> int:
    """Return which expectation *entry* answers: Great Expectations does not keep their order."""
    return entry.expectation_config.meta["place"]


def _outcome(expectation: Expectation, entry: Any, key: str) -> Outcome:
    """Read one entry of Great Expectations' result."""
    raised = [problem for problem in _problems(entry.exception_info) if problem.get("raised_exception")]
    if raised:
        message = " ".join(str(raised[0].get("exception_message")).split())
        raise DataError(
            f"{key}: {expectation.expect}: cannot be computed on this data ({message}); "
            "check the column's type and the arguments"
        )
    rows = tuple(entry.result.get("unexpected_index_list") or ())
    observed = f"observed {_plain(entry.result.get('observed_value'))}"
    if rows:
        observed = f"values {_samples(entry.result.get('partial_unexpected_list') or [])}"
    return Outcome(expectation, bool(entry.success), rows, observed)


def _samples(values: Sequence[object], most: int = 5) -> list[object]:
    """Return the first *most* different ones of *values*, which may be rows of several columns (not hashable)."""
    return list({repr(plain): plain for plain in map(_plain, values)}.values())[:most]


def _plain(value: Any) -> Any:
    """Return *value* with plain numbers for NumPy's, which print their type."""
    match value:
        case np.generic():
            return value.item()
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list() | tuple():
            return type(value)(map(_plain, value))
        case _:
            return value


def _problems(info: dict[str, Any]) -> list[dict[str, Any]]:
    """List the exceptions of one entry, which Great Expectations nests by metric or not at all."""
    return (
        [info] if "raised_exception" in info else [part for part in info.values() if isinstance(part, dict)]
    )


def _render(result: "ExpectationSuiteValidationResult") -> str:
    """Render Great Expectations' own page of *result*."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    return DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
