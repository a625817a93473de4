"""The `data` part of a project file: sources, split, and rules that hold between its keys."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from regrow.base.errors import ProjectError
from regrow.project import (
    CsvSource,
    Data,
    DeltaSource,
    Expectation,
    LogSource,
    ParquetSource,
    Project,
    PythonSource,
    SklearnSource,
    Source,
    SqlSource,
)
from regrow.project.data import named_alike

CSV = {"kind": "csv", "path": "rows.csv"}


def data(**changes: Any) -> Data:
    """Read a `data` part with *changes*, as from JSON."""
    import json

    return Data.model_validate_json(json.dumps({"source": CSV, "target": "y"} | changes))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (CSV, CsvSource),
        ({"kind": "parquet", "path": "rows"}, ParquetSource),
        ({"kind": "delta", "path": "rows"}, DeltaSource),
        ({"kind": "sql", "url_env": "URL", "query": "SELECT 1"}, SqlSource),
        ({"kind": "python", "load": "rows:load"}, PythonSource),
        ({"kind": "sklearn", "dataset": "iris"}, SklearnSource),
    ],
)
def test_kind_decides_the_source(content: dict[str, str], kind: type) -> None:
    """Each kind of source is read as its own type, of the rows and of the labels alike."""
    made = data(source=content, labels=content)
    assert type(made.source) is type(made.labels) is kind


def test_a_log_gives_rows_and_no_labels() -> None:
    """Rows may come from the prediction log, of this model or another; labels come from elsewhere."""
    assert data(source={"kind": "log", "model": "other"}).source == LogSource(kind="log", model="other")
    with pytest.raises(ValidationError, match="labels"):
        data(labels={"kind": "log"})


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "excel", "path": "rows"},
        {"path": "rows.csv"},
        {"kind": "csv", "path": "a", "query": "SELECT 1"},
        {"kind": "csv", "path": "a", "separator": ""},
        {"kind": "sklearn", "dataset": "digits"},
        {"kind": "python", "load": "rows.load"},
    ],
)
def test_a_source_takes_the_keys_of_its_kind_alone(content: dict[str, str]) -> None:
    """An unknown kind, a key of another kind, and a value out of range are refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(Source).validate_python(content)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "random"),
        ({"timestamp": "at"}, "time"),
        ({"timestamp": "at", "entity": "customer"}, "time"),
        ({"entity": "customer"}, "group"),
        ({"timestamp": "at", "split": {"kind": "random"}}, "random"),
        ({"split": {"kind": "stratified"}}, "stratified"),
        ({"split": {"kind": "group", "column": "customer"}}, "group"),
    ],
)
def test_rows_with_a_time_are_split_by_it(changes: dict[str, Any], kind: str) -> None:
    """Without a `split`, rows are split by time, else by entity, else at random; a fifth is held out."""
    split = data(**changes).splitting
    assert (split.kind, split.holdout) == (kind, 0.2)


@pytest.mark.parametrize(
    ("changes", "unit"),
    [
        ({}, "row"),
        ({"entity": "customer"}, "entity"),
        ({"entity": "customer", "timestamp": "at"}, "day"),
        ({"timestamp": "at", "unit": "request"}, "request"),
    ],
)
def test_a_day_is_the_unit_of_rows_with_a_time(changes: dict[str, Any], unit: str) -> None:
    """What counts as one observation is a day if rows have a time, else the entity, else the row."""
    assert data(**changes).sampling_unit == unit


@pytest.mark.parametrize("holdout", [0, 1, -0.5, 2])
def test_both_sides_of_a_split_have_rows(holdout: float) -> None:
    """Nothing, and everything, is no share to hold out."""
    with pytest.raises(ValidationError, match=r"split\.random\.holdout"):
        data(split={"kind": "random", "holdout": holdout})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": {"kind": "time"}}, r"split\.kind `time` needs data\.timestamp"),
        ({"unit": "week"}, r"unit `week` needs data\.timestamp"),
        ({"unit": "entity"}, r"unit `entity` needs data\.entity"),
        ({"label_tolerance": "1d", "id": "n"}, r"label_tolerance needs data\.entity"),
        ({"entity": "n", "id": "n"}, "a column of its own that may recur"),
        ({"label_delay": "1d"}, r"label_delay needs data\.timestamp"),
        ({"features": ["x", "y"]}, "features holds the target `y`"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(changes: dict[str, Any], said: str) -> None:
    """A time that no column holds, and a model that would see its target, are errors that name the remedy."""
    with pytest.raises(ValidationError, match=said):
        data(**changes)


def test_features_that_differ_in_capitals_alone_are_refused(project: Callable[..., Project]) -> None:
    """Names that no prediction log tells apart are an error of the project file."""
    with pytest.raises(ProjectError, match="features holds `Size` and `size`"):
        project(data={"source": CSV, "target": "late", "features": ["Size", "other", "size"]})


@given(st.lists(st.text(max_size=3)))
def test_two_names_are_alike_if_lower_case_makes_them_one(names: list[str]) -> None:
    """Names are alike if and only if fewer are left in lower case, and the two that are named are such a pair."""
    found = named_alike(names)
    assert (found is None) == (len({name.lower() for name in names}) == len(names))
    if found:
        assert found[0].lower() == found[1].lower()
        assert names.index(found[0]) < len(names) - 1 - names[::-1].index(found[1])


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, ()),
        ({"id": "n"}, ("n",)),
        ({"timestamp": "at"}, ("at",)),
        ({"id": "n", "timestamp": "at"}, ("n", "at")),
        ({"id": "n", "entity": "customer", "timestamp": "at"}, ("n", "customer", "at")),
    ],
)
def test_the_key_columns_are_those_that_the_file_names(
    changes: dict[str, str], keys: tuple[str, ...]
) -> None:
    """The columns that name and date a row are its id, its entity, then its time, each if the file names it."""
    assert data(**changes).key_columns == keys


@pytest.mark.parametrize("name", ["column_values_to_be_unique", "expect_Column", "expect_a; drop", "expect_"])
def test_an_expectation_has_the_form_of_a_name(name: str) -> None:
    """What cannot be the name of an expectation is refused before Great Expectations is asked."""
    with pytest.raises(ValidationError, match="expect"):
        Expectation(expect=name)
    assert Expectation(expect="expect_column_values_to_be_unique").on_failure == "reject"


@pytest.mark.parametrize(
    ("keys", "naming"),
    [
        ({"id": "row", "entity": "who", "timestamp": "at"}, ("row",)),
        ({"entity": "who", "timestamp": "at"}, ("who", "at")),
        ({"entity": "who"}, ()),
        ({"timestamp": "at"}, ()),
    ],
)
def test_a_row_is_named_by_its_id_or_by_entity_and_time(
    keys: dict[str, str], naming: tuple[str, ...]
) -> None:
    """Neither an entity, which may recur, nor a moment names a row alone: then its content does."""
    assert data(**keys).naming == naming
