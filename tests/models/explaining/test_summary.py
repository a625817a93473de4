"""Which columns the predictions come from, over all rows and by slice."""

import json

import pytest
from fitted_models import COLUMNS, fitted, frame

from regrow.base.errors import DataError
from regrow.models.explaining.summary import LEAST_ROWS, ROWS, summarise
from regrow.models.stored import LoadedModel


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """Fit a small model of trees, which needs no training rows to be explained."""
    return fitted("lightgbm.LGBMRegressor", {"n_estimators": 5}, 0)


def test_all_rows_come_first_and_columns_in_order(model: LoadedModel) -> None:
    """The largest column of all rows stands first, in every slice; the values of the slice column are told apart."""
    rows = frame(1_000)
    found = summarise(model, rows, ["carrier"])
    whole, *slices = found.slices
    assert (whole.name, whole.rows, next(iter(whole.sizes))) == ("all rows", ROWS, "hour")
    assert list(whole.sizes.values()) == sorted(whole.sizes.values(), reverse=True)
    assert set(whole.sizes) == set(COLUMNS)
    assert [one.name for one in slices] == ["carrier = AA", "carrier = DL", "carrier = UA"]
    assert all(list(one.sizes) == list(whole.sizes) for one in slices)
    assert sum(one.rows for one in slices) < whole.rows


def test_slices_of_few_rows_are_left_out(model: LoadedModel) -> None:
    """Of 70 values most have fewer rows than a mean needs."""
    found = summarise(model, frame(), ["dest"])
    assert all(one.rows >= LEAST_ROWS for one in found.slices)


def test_it_is_written_for_programs(model: LoadedModel) -> None:
    """The JSON holds the way, the scale, and each slice with its rows."""
    told = json.loads(summarise(model, frame(), ["carrier"]).write())
    assert (told["method"], told["scale"]) == ("trees", "prediction")
    assert told["slices"][0]["column"] is None
    assert set(told["slices"][1]["mean_absolute"]) == set(COLUMNS)


def test_a_slice_that_is_no_column_is_named(model: LoadedModel) -> None:
    """A column that the rows lack is an error that names it."""
    with pytest.raises(DataError, match=r"evaluation\.slices: nope"):
        summarise(model, frame(), ["nope"])
