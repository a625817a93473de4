"""The fast path gives the pipeline's own answers, or none."""

import pytest
from fitted_models import fitted, frame

from regrow.models.decoding import Columns
from regrow.models.fast_path.compiling import MOST_ROWS, compile_pipeline
from regrow.models.fast_path.proof import prove

CLASSIFIERS = {
    "sklearn.ensemble.HistGradientBoostingClassifier": {"max_iter": 8},
    "sklearn.ensemble.GradientBoostingClassifier": {"n_estimators": 8},
    "sklearn.ensemble.RandomForestClassifier": {"n_estimators": 8},
    "sklearn.ensemble.ExtraTreesClassifier": {"n_estimators": 8},
    "sklearn.linear_model.LogisticRegression": {},
    "sklearn.tree.DecisionTreeClassifier": {},
    "sklearn.neighbors.KNeighborsClassifier": {},
    "sklearn.dummy.DummyClassifier": {},
}
REGRESSORS = {
    "sklearn.ensemble.HistGradientBoostingRegressor": {"max_iter": 8, "loss": "poisson"},
    "sklearn.ensemble.GradientBoostingRegressor": {"n_estimators": 8},
    "sklearn.ensemble.RandomForestRegressor": {"n_estimators": 8},
    "sklearn.ensemble.ExtraTreesRegressor": {"n_estimators": 1},
    "sklearn.linear_model.LinearRegression": {},
    "sklearn.linear_model.Ridge": {},
}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_a_classifier_answers_as_its_pipeline_does(estimator: str, classes: int) -> None:
    """Every row, gap, unseen category, infinity and extreme value gives the same bits, or is left to the pipeline."""
    proof = prove(fitted(estimator, CLASSIFIERS[estimator], classes), frame())
    assert proof.rows == 500
    assert proof.altered > 40


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_a_regression_answers_as_its_pipeline_does(estimator: str) -> None:
    """The same holds for numbers."""
    assert prove(fitted(estimator, REGRESSORS[estimator]), frame()).rows == 500


@pytest.mark.parametrize("columns", [("carrier", "dest"), ("distance", "wind"), ("hour",)])
@pytest.mark.parametrize(
    "estimator", ["linear_model.LinearRegression", "ensemble.HistGradientBoostingRegressor"]
)
def test_columns_of_one_kind_are_answered_alike(estimator: str, columns: tuple[str, ...]) -> None:
    """Text alone, numbers alone and whole numbers alone are identical too."""
    assert prove(fitted(f"sklearn.{estimator}", {}, columns=columns), frame()).rows == 500


@pytest.mark.parametrize("estimator", [*CLASSIFIERS])
def test_ordinary_rows_are_answered_by_the_plan(estimator: str) -> None:
    """The fast path does not hide behind the pipeline: whole rows are its own to answer."""
    plan = compile_pipeline(fitted(estimator, CLASSIFIERS[estimator], 2))
    row = {"carrier": ["AA"], "distance": [900.0], "dest": ["D3"], "hour": [7], "wind": [0.0]}
    found = plan.predict(row, 1)
    assert found is not None
    assert found.shape == (1, 2)


def test_more_rows_than_gain_are_left_to_the_pipeline() -> None:
    """A large batch costs the pipeline little per row, so the plan leaves it alone."""
    plan = compile_pipeline(fitted("sklearn.linear_model.LogisticRegression", {}, 2))
    assert plan.predict({}, MOST_ROWS + 1) is None


def test_a_null_alone_is_answered_as_among_others() -> None:
    """A row's answer does not depend on the rows that it is predicted with."""
    model = fitted("sklearn.linear_model.LogisticRegression", {}, 2)
    contract = model.contract
    values = {
        "carrier": [None, "AA"],
        "distance": [9.0, 1.0],
        "dest": ["D3", "D4"],
        "hour": [7, 8],
        "wind": [0, 0],
    }
    alone = contract.check(Columns({name: [*given[:1]] for name, given in values.items()}, 1), 1)
    both = contract.check(Columns(values, 2), 2)
    answers = [model.predict_checked(contract.frame([rows]))[0] for rows in (alone, both)]
    assert answers[0] == pytest.approx(answers[1], rel=1e-12)


def test_scikit_learn_still_has_the_private_names_that_we_read() -> None:
    """A release of scikit-learn that renames or reshapes what the fast path reads is noticed here, by its name."""
    boosted = fitted("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 2}, 2).pipeline[-1]
    private = vars(boosted)
    assert {"_preprocessor", "_baseline_prediction", "_loss"} <= set(private)
    assert private["_preprocessor"] is None
    assert private["_baseline_prediction"].shape == (1, 1)
    assert callable(private["_loss"].predict_proba)
    assert callable(private["_loss"].link.inverse)
