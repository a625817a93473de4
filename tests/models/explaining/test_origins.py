"""Which raw column a prepared one was made of, for every kind of preprocessing that a project file can ask for."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from regrow.models.explaining.origins import origins_of
from regrow.models.preprocessing import preprocess_by_type
from regrow.project.training import ByType

DAY = pd.Timestamp("2024-01-01")
FRAME = pd.DataFrame(
    {
        "plan": ["a", "b", None, "c"] * 25,
        "age": [20.0, np.nan, 40, 50] * 25,
        "new": [True, False] * 50,
        "since": [DAY, DAY + pd.Timedelta("30d")] * 50,
        "at": [DAY + pd.Timedelta("90d")] * 100,
        "rate": np.arange(100.0),
    }
)
ASKED = [
    ByType(dates="parts"),
    ByType(dates="age"),
    ByType(dates="age", missing_indicators=True, scale=True),
    ByType(dates="parts", missing_indicators=True, scale=False, max_categories=2),
]


@pytest.mark.parametrize("takes_missing", [True, False])
@pytest.mark.parametrize("asked", ASKED)
def test_a_column_is_moved_by_its_origin_alone(asked: ByType, takes_missing: bool) -> None:
    """If a raw column changes, what has another origin stays as it was, and something of its own moves."""
    columns = preprocess_by_type(asked, FRAME, takes_missing, "at").fit(FRAME)
    before = np.asarray(columns.transform(FRAME), dtype=float)
    origins = origins_of(columns, list(FRAME), before.shape[1])
    assert origins is not None
    others = {"plan": "b", "age": 33.0, "new": True, "since": DAY - pd.Timedelta("400d"), "rate": -7.0}
    for name, value in others.items():
        after = np.asarray(columns.transform(FRAME.assign(**{name: [value] * 100})), dtype=float)
        same = [
            np.array_equal(before[:, place], after[:, place], equal_nan=True) for place in range(len(origins))
        ]
        assert {origins[place] for place, kept in enumerate(same) if not kept} == {name}


def test_columns_by_place_and_dropped_ones_are_followed() -> None:
    """Parts that name their columns by place, drop some, or drop the first category are known too."""
    made = ColumnTransformer(
        [
            ("text", OneHotEncoder(drop="first"), [0]),
            ("gone", "drop", ["at"]),
            ("kept", "passthrough", [1, 5]),
        ]
    ).fit(FRAME)
    width = made.transform(FRAME).shape[1]
    assert origins_of(made, list(FRAME), width) == ["plan"] * 3 + ["age", "rate"]


def test_an_empty_column_that_is_dropped_has_no_place() -> None:
    """What an imputer leaves out is not counted, and what it adds for gaps is the gap's column's."""
    frame = FRAME[["age", "rate"]].assign(empty=np.nan)
    steps = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()).fit(frame)
    width = steps.transform(frame).shape[1]
    assert origins_of(steps, list(frame), width) == ["age", "rate", "age", "empty"]


@pytest.mark.parametrize("part", [PCA(2), FunctionTransformer(np.log1p)])
def test_what_mixes_columns_or_is_not_known_has_no_origin(part) -> None:
    """Of a part that may mix columns nothing is claimed."""
    frame = FRAME[["rate", "new"]].astype(float)
    made = make_pipeline(StandardScaler(), part).fit(frame)
    assert origins_of(made, list(frame), 2) is None


def test_a_width_that_does_not_fit_is_not_known() -> None:
    """If the counts disagree nothing is claimed."""
    assert origins_of("passthrough", ["a", "b"], 3) is None
