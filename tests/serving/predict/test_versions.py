"""A version in memory: the fast path answers if it can, the pipeline otherwise, and both in the promised shape."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.base.errors import ServingError
from regrow.models.contract import Contract, Rows
from regrow.models.values import Column
from regrow.serving.predict.versions import ServedVersion

CONTRACT = Contract([Column("hour", "double", True), Column("distance", "double", True)])


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


def request(hours):
    values = {"distance": [hour * 10 for hour in hours], "hour": hours}
    return Rows(values, len(hours), [None] * len(hours), [None] * len(hours))


class Pipeline:
    """A pipeline that adds up its columns, and counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def predict_checked(self, frame: pd.DataFrame):
        self.asked += 1
        return (frame["hour"] + frame["distance"]).to_numpy()


class Fast:
    """A fast path that adds up the same columns, for at most *most* rows."""

    def __init__(self, most):
        self.most = most

    def predict(self, values, rows):
        if rows > self.most:
            return None
        return np.array([values["hour"][row] + values["distance"][row] for row in range(rows)])


@given(
    st.lists(st.lists(st.floats(0, 24), min_size=1, max_size=4), min_size=1, max_size=5), st.integers(0, 9)
)
def test_every_way_leads_to_the_same_predictions(requests, most):
    """One request or many, by the fast path or the pipeline: the rows' predictions, in the order of the rows."""
    pipeline = Pipeline()
    served = ServedVersion(3, pipeline, CONTRACT, 0.0, (), Fast(most))
    hours = [hour for each in requests for hour in each]
    predicted = served.predict([request(each) for each in requests])
    np.testing.assert_array_equal(predicted, [hour + hour * 10 for hour in hours])
    assert pipeline.asked == (len(hours) > most)


def test_without_a_fast_path_the_pipeline_answers():
    """A version that has no proven fast path is answered by its pipeline."""
    pipeline = Pipeline()
    assert ServedVersion(3, pipeline, CONTRACT, 0.0, ()).predict([request([1.0])]).tolist() == [11.0]
    assert pipeline.asked == 1


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 2), (2, 1)])
def test_another_shape_is_no_answer(shape):
    """Values of a wrong number would reach the wrong rows: they are an error that names the version and both shapes."""
    wrong = SimpleNamespace(predict_checked=lambda _: np.zeros(shape))
    with pytest.raises(ServingError, match=r"version 3 gave predictions of shape .* instead of \(2,\)"):
        ServedVersion(3, wrong, CONTRACT, 0.0, ()).predict([request([1.0, 2.0])])
