"""Preprocessing and estimator as one pipeline."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regrow.base.errors import DataError, ProjectError
from regrow.models.fitting import build_pipeline, fit_pipeline, kind_of, refit_pipeline
from regrow.project import HalvingSearch, RandomizedSearch, Training

random = np.random.default_rng(0)
FEATURES = pd.DataFrame(
    {
        "size": np.where(random.random(200) < 0.1, np.nan, random.normal(size=200)),
        "colour": random.choice(["red", "green", None], size=200),
        "count": random.integers(0, 9, size=200),
        "new": random.random(200) < 0.5,
    }
)
TARGET = pd.Series((FEATURES["size"].fillna(0) + FEATURES["count"] + random.normal(size=200) > 4).astype(int))
FOREST = "sklearn.ensemble.RandomForestClassifier"
BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


@pytest.mark.parametrize(
    "training",
    [
        Training(estimator=LOGISTIC),
        Training(estimator=FOREST, parameters={"n_estimators": 10, "n_jobs": 2}, seed=1),
        Training(estimator=BOOSTING, parameters={"max_iter": 10, "early_stopping": True}, seed=1),
        Training(
            estimator=FOREST,
            parameters={"n_estimators": 5},
            search=RandomizedSearch(kind="randomized", space={"max_depth": [1, 2, 3, 4]}, trials=3),
        ),
    ],
    ids=["logistic", "forest", "boosting", "search"],
)
def test_the_same_rows_and_seed_give_the_same_bits(training: Training) -> None:
    """Two fits predict the same, bit for bit."""
    first, second = (fit_pipeline(training, FEATURES, TARGET)[0].predict_proba(FEATURES) for _ in range(2))
    np.testing.assert_array_equal(first, second, strict=True)


@pytest.mark.parametrize("estimator", [LOGISTIC, BOOSTING])
def test_missing_and_unseen_values_are_predicted(estimator: str) -> None:
    """A missing number, a missing text and a category that no fit saw get a probability."""
    pipeline, _ = fit_pipeline(Training(estimator=estimator), FEATURES, TARGET)
    odd = FEATURES[:3].assign(size=np.nan, colour=["blue", None, "red"])
    assert np.isfinite(pipeline.predict_proba(odd)).all()


def test_columns_are_taken_by_name() -> None:
    """Neither the order of the columns nor one that is no feature has an influence."""
    pipeline, _ = fit_pipeline(Training(estimator=LOGISTIC), FEATURES, TARGET)
    shuffled = FEATURES[list(reversed(FEATURES.columns))].assign(other=1)
    np.testing.assert_array_equal(pipeline.predict_proba(shuffled), pipeline.predict_proba(FEATURES))


def test_a_search_gives_its_trials() -> None:
    """Each trial comes with its parameters and score, and the best one is the pipeline."""
    search = RandomizedSearch(kind="randomized", space={"C": [1e-6, 1.0]}, trials=2)
    pipeline, trials = fit_pipeline(
        Training(estimator=LOGISTIC, search=search), FEATURES, TARGET, ordered=True
    )
    best = max(trials, key=lambda trial: trial[1])[0]
    assert sorted(params["estimator__C"] for params, _ in trials) == [1e-6, 1.0]
    assert pipeline.get_params()["estimator__C"] == best["estimator__C"]


def test_halving_drops_trials() -> None:
    """A halving search tries every candidate on few rows first."""
    search = HalvingSearch(kind="halving", space={"max_depth": [1, 2, 3, 4]}, trials=4)
    training = Training(estimator=FOREST, parameters={"n_estimators": 3}, search=search)
    assert len(fit_pipeline(training, FEATURES, TARGET)[1]) > 4


def test_a_wrong_search_space_names_the_parameter() -> None:
    """A search over a parameter that the estimator lacks says which."""
    search = RandomizedSearch(kind="randomized", space={"depth": [1]})
    with pytest.raises(ProjectError, match="no parameter `depth`"):
        fit_pipeline(Training(estimator=LOGISTIC, search=search), FEATURES, TARGET)


def test_an_estimator_that_raises_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever `fit` raises becomes an error with the estimator, the exception and its line."""
    (tmp_path / "failing_estimator.py").write_text(
        "from sklearn.linear_model import Ridge\n"
        "class Failing(Ridge):\n    def fit(self, X, y):\n        return 1 / 0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    said = r"failing_estimator\.Failing cannot be fitted .*ZeroDivisionError: .*failing_estimator\.py, line 4"
    with pytest.raises(DataError, match=said):
        fit_pipeline(Training(estimator="failing_estimator.Failing"), FEATURES, TARGET)


def test_an_infinite_feature_is_named() -> None:
    """An estimator that takes no infinite number says in which column there is one."""
    features = FEATURES.assign(size=FEATURES["size"].where(FEATURES.index > 0, np.inf))
    with pytest.raises(DataError, match=r"cannot be fitted .*column `size` holds infinite numbers in 1 rows"):
        fit_pipeline(Training(estimator=LOGISTIC), features, TARGET)
    fit_pipeline(Training(estimator=BOOSTING), features, TARGET)


def test_a_date_is_no_feature() -> None:
    """A date among the features is an error that says what to do."""
    dated = FEATURES.assign(at=pd.date_range("2024-01-01", periods=len(FEATURES), tz="UTC"))
    with pytest.raises(DataError, match="column `at`: a date is no feature by itself"):
        build_pipeline(Training(estimator=LOGISTIC), dated)


@pytest.mark.parametrize("estimator", [LOGISTIC, BOOSTING])
def test_columns_that_tell_nothing_are_not_used(estimator: str) -> None:
    """A column without a value, and one of a single value, are in no transformer; the rest give the same model."""
    idle = FEATURES.assign(
        fax=np.nan, note=pd.array([None] * len(FEATURES), dtype="str"), currency="EUR", one=1
    )
    pipeline, _ = fit_pipeline(Training(estimator=estimator), idle, TARGET)
    plain, _ = fit_pipeline(Training(estimator=estimator), FEATURES, TARGET)
    np.testing.assert_array_equal(pipeline.predict_proba(idle), plain.predict_proba(FEATURES))
    changed = idle.assign(fax=5.0, note="x", currency="USD", one=2)
    np.testing.assert_array_equal(pipeline.predict_proba(changed), plain.predict_proba(FEATURES))


def test_columns_that_all_tell_nothing_are_refused() -> None:
    """A model of nothing but constants is an error that names them."""
    with pytest.raises(
        DataError, match=r"no column tells anything \(`a`: every row has 1; `b`: no row has a value\)"
    ):
        build_pipeline(Training(estimator=LOGISTIC), pd.DataFrame({"a": [1, 1], "b": [np.nan, np.nan]}))


def test_kinds() -> None:
    """Two classes are binary, more multiclass, numbers a regression; classes come in order as plain values."""
    three = pd.Series(np.arange(200) % 3)
    assert kind_of(fit_pipeline(Training(estimator=LOGISTIC), FEATURES, TARGET)[0]) == ("binary", (0, 1))
    assert kind_of(fit_pipeline(Training(estimator=LOGISTIC), FEATURES, three)[0]) == (
        "multiclass",
        (0, 1, 2),
    )
    ridge = Training(estimator="sklearn.linear_model.Ridge")
    assert kind_of(fit_pipeline(ridge, FEATURES, TARGET)[0]) == ("regression", ())


@pytest.mark.parametrize("estimator", [LOGISTIC, "lightgbm.LGBMClassifier", "xgboost.XGBClassifier"])
def test_weights_reach_the_fit(estimator: str) -> None:
    """Rows of weight 0 have no influence, with a search too; so have weights of classes that the file names."""
    rows = pd.Series(np.arange(200) % 2 == 0)
    turned, weights = TARGET.where(rows, 1 - TARGET), rows.to_numpy(float)
    training = Training(estimator=estimator)
    weighted = fit_pipeline(training, FEATURES, turned, weights=weights)[0].predict_proba(FEATURES)[:, 1]
    plain = fit_pipeline(training, FEATURES, turned)[0].predict_proba(FEATURES)[:, 1]
    assert np.corrcoef(weighted, TARGET)[0, 1] > np.corrcoef(plain, TARGET)[0, 1] + 0.2


def test_weights_reach_a_search() -> None:
    """The folds of a search are weighted as the whole is."""
    search = RandomizedSearch(kind="randomized", space={"C": [0.1, 1.0]}, trials=2)
    rows = np.arange(200) % 2 == 0
    turned = TARGET.where(rows, 1 - TARGET)
    pipeline, _ = fit_pipeline(
        Training(estimator=LOGISTIC, search=search),
        FEATURES,
        turned,
        metric="roc_auc",
        weights=rows.astype(float),
    )
    assert np.corrcoef(pipeline.predict_proba(FEATURES)[:, 1], TARGET)[0, 1] > 0.5


@pytest.mark.parametrize("estimator", [LOGISTIC, BOOSTING])
def test_class_weights_raise_their_class(estimator: str) -> None:
    """A weight of a class, written as the file writes it, makes the class likelier."""
    heavy = Training(estimator=estimator, parameters={"class_weight": {"0": 1, "1": 20}})
    means = [fit_pipeline(each, FEATURES, TARGET)[0].predict_proba(FEATURES)[:, 1].mean() for each in
             (heavy, Training(estimator=estimator))]  # fmt: skip
    assert means[0] > means[1] + 0.05


@pytest.mark.parametrize("estimator", [LOGISTIC, BOOSTING])
def test_a_second_fit_is_the_same_recipe_on_more_rows(estimator: str) -> None:
    """It uses the columns that told something in the first rows, and the parameters that a search has chosen."""
    rows = FEATURES.assign(idle=np.where(np.arange(200) < 150, 1, 2))
    training = Training(estimator=estimator)
    name = "estimator__C" if estimator == LOGISTIC else "estimator__max_iter"
    again = refit_pipeline(training, rows[:150], rows, TARGET, {name: 3})
    same = build_pipeline(training, rows[:150]).set_params(**{name: 3}).fit(rows, TARGET)
    assert again.get_params()[name] == 3
    assert not any("idle" in str(column) for column in again["columns"].get_feature_names_out())
    np.testing.assert_array_equal(again.predict_proba(rows), same.predict_proba(rows), strict=True)
