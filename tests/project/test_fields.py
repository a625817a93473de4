"""What every part of the project file is made of: durations, names of code, and closed types."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from regrow.base.errors import ProjectError
from regrow.project import Project, Strict, format_duration, parse_duration
from regrow.project.fields import ClassPath, Duration, Reference, Scalar, Share

Make = Callable[..., Project]
EXAMPLES = "a duration is a number and a unit: 45s, 30m, 12h, 90d or 2w"


class Part(Strict):
    """A part of a project file."""

    share: Share = 0.5
    limit: float = 1.0
    window: Duration = timedelta(0)
    tried: tuple[Scalar, ...] = ()


def test_bad_duration_says_what_one_is(project: Make) -> None:
    """A duration without a unit is refused with examples of good ones."""
    training = {"estimator": "sklearn.linear_model.Ridge", "window": "90 days"}
    with pytest.raises(ProjectError, match=r"training\.window: a duration is a number and a unit"):
        project(training=training)


@pytest.mark.parametrize("text", ["45s", "90d", "2w", "1234567s", "0.5s", "36h"])
def test_a_duration_reads_back(text: str) -> None:
    """What is written of a duration is what was read, however long it is."""
    interval = parse_duration(text)
    assert isinstance(interval, timedelta)
    assert parse_duration(format_duration(interval)) == interval


@given(st.timedeltas(timedelta(0), timedelta(days=36_500)))
def test_every_interval_reads_back(interval: timedelta) -> None:
    """What is written of an interval is the same interval, and of the form that the JSON schema shows."""
    text = format_duration(interval)
    assert parse_duration(text) == interval
    assert re.search(TypeAdapter(Duration).json_schema()["pattern"], text)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(minutes=30)),
        ("1.5h", timedelta(minutes=90)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(days=14)),
    ],
)
def test_each_unit_means_what_it_says(text: str, interval: timedelta) -> None:
    """Seconds, minutes, hours, days and weeks are read as such, fractions too."""
    assert parse_duration(text) == interval


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (timedelta(0), "0w"),
        (timedelta(days=14), "2w"),
        (timedelta(days=15), "15d"),
        (timedelta(minutes=90), "90m"),
    ],
)
def test_a_duration_is_written_in_the_largest_unit(interval: timedelta, text: str) -> None:
    """A duration is a whole number of the largest unit that divides it."""
    assert format_duration(interval) == text


@pytest.mark.parametrize("text", ["", "d", "90", "90 d", "-1d", "1e5d", ".5d", "5.d", "²d", "90d\n", "PT5S"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    """Whatever the JSON schema does not show as a duration is refused in the same words."""
    with pytest.raises(ValueError, match=EXAMPLES):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36526d", "99999999999w", "9" * 400 + "d"])
def test_a_duration_that_leads_before_the_calendar_is_refused(project: Make, text: str) -> None:
    """A duration of more than a hundred years is an error with its key, not a traceback."""
    assert parse_duration("36525d") == timedelta(days=36_525)
    with pytest.raises(
        ProjectError, match=r"monitoring\.window: a duration is a hundred years \(36525d\) at most"
    ):
        project(monitoring={"window": text})


@pytest.mark.parametrize("value", [90, 1.5, True, None])
def test_a_number_without_a_unit_is_no_duration(value: object) -> None:
    """A bare number is never taken for seconds."""
    with pytest.raises(ValidationError, match="valid duration"):
        Part.model_validate_json(json.dumps({"window": value}))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            Reference,
            ["rows:load", "hooks.rows:load"],
            ["rows", "rows:", "rows:load()", "../rows:load", "1:a"],
        ),
        (
            ClassPath,
            ["sklearn.linear_model.Ridge", "features:Model"],
            ["Ridge", "sklearn.", "sklearn.Ridge()", "a b.C"],
        ),
        (Share, [0.0, 0.1, 1.0], [-0.1, 1.1, float("nan")]),
    ],
)
def test_a_field_takes_its_own_form_alone(kind: Any, good: list[object], bad: list[object]) -> None:
    """A hook is `module:attribute`, an estimator an import path, a share between none and all."""
    adapter = TypeAdapter(kind)
    for value in good:
        assert adapter.validate_python(value) == value
    for value in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


def test_a_part_of_the_file_is_frozen_strict_and_closed() -> None:
    """A part cannot be changed, takes no text for a number and no key that it does not know."""
    part = Part()
    with pytest.raises(ValidationError, match="frozen"):
        part.share = 0.1
    with pytest.raises(ValidationError, match="valid number"):
        Part.model_validate({"share": "0.5"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        Part.model_validate({"shore": 0.5})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_limit_is_a_number_that_something_can_reach(number: float) -> None:
    """A limit is finite, or a gate would pass always or never; the values that a search tries may be infinite."""
    with pytest.raises(ValidationError, match="finite number"):
        Part(limit=number)
    assert repr(Part(tried=(number,)).tried) == repr((number,))
