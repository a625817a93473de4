"""The sources of a project file and their options."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from regrow.project import CsvSource, Data


def csv(**options: Any) -> CsvSource:
    """Read a CSV source with *options*, as from JSON."""
    return CsvSource.model_validate_json(json.dumps({"kind": "csv", "path": "rows.csv"} | options))


def test_options_describe_a_file() -> None:
    """A file with semicolons, decimal commas, another encoding and words of its own is described in the file."""
    made = csv(
        separator=";",
        encoding="latin-1",
        decimal=",",
        thousands=".",
        quote="'",
        null_values=["?"],
        numbers=["price"],
        text=["code"],
        dates={"born": "%d.%m.%Y"},
    )
    assert (made.encoding, made.null_values, made.dates["born"]) == ("latin-1", ("?",), "%d.%m.%Y")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"decimal": ","}, "decimal and separator are both `,`"),
        ({"decimal": ",", "separator": ";", "thousands": ","}, "decimal and thousands are both `,`"),
        ({"decimal": ",,"}, "pattern"),
        ({"encoding": "utf-9"}, "unknown encoding: utf-9; write `utf-8`"),
        ({"text": ["a"], "numbers": ["a"]}, "`a` stands twice"),
        ({"dates": {"a": "day first"}}, "pattern"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    """Options that contradict each other, or that nothing can read by, are refused with their remedy."""
    with pytest.raises(ValidationError, match=said):
        csv(**options)


def test_a_format_of_times_needs_a_column_of_times() -> None:
    """`timestamp_format` without a timestamp is refused, and so is one that no reader knows."""
    content = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "y", "timestamp_format": "%m/%d/%Y"}
    with pytest.raises(ValidationError, match=r"timestamp_format needs data\.timestamp"):
        Data.model_validate_json(json.dumps(content))
    assert Data.model_validate_json(json.dumps(content | {"timestamp": "at"})).timestamp_format
    with pytest.raises(ValidationError, match="pattern"):
        Data.model_validate_json(json.dumps(content | {"timestamp": "at", "timestamp_format": "US"}))
