"""What each raw column adds to a prediction: for every kind of model it adds up, or it is not shown."""

from dataclasses import replace

import numpy as np
import pytest
from fitted_models import COLUMNS, fitted, frame
from sklearn.pipeline import Pipeline

from regrow.base.errors import NotExplained
from regrow.models.explaining import attributions
from regrow.models.explaining.attributions import Explainer
from regrow.models.stored import LoadedModel

ENSEMBLE, LINEAR = "sklearn.ensemble", "sklearn.linear_model"
SMALL = {"n_estimators": 5}
EXACT = [
    (f"{ENSEMBLE}.HistGradientBoostingClassifier", {"max_iter": 5}, 2, "trees", "log-odds"),
    (f"{ENSEMBLE}.HistGradientBoostingClassifier", {"max_iter": 5}, 3, "trees", "log-odds"),
    (f"{ENSEMBLE}.HistGradientBoostingRegressor", {"max_iter": 5}, 0, "trees", "prediction"),
    (f"{ENSEMBLE}.HistGradientBoostingRegressor", {"max_iter": 5, "loss": "poisson"}, 0, "trees", "log"),
    (f"{ENSEMBLE}.GradientBoostingClassifier", SMALL, 2, "trees", "log-odds"),
    (f"{ENSEMBLE}.RandomForestClassifier", SMALL, 2, "trees", "prediction"),
    (f"{ENSEMBLE}.RandomForestClassifier", SMALL, 3, "trees", "prediction"),
    (f"{ENSEMBLE}.ExtraTreesRegressor", SMALL, 0, "trees", "prediction"),
    ("sklearn.tree.DecisionTreeClassifier", {"max_depth": 4}, 2, "trees", "prediction"),
    ("lightgbm.LGBMClassifier", SMALL, 2, "trees", "log-odds"),
    ("lightgbm.LGBMClassifier", SMALL, 3, "trees", "log-odds"),
    ("lightgbm.LGBMRegressor", SMALL, 0, "trees", "prediction"),
    ("xgboost.XGBClassifier", SMALL, 2, "trees", "log-odds"),
    ("xgboost.XGBClassifier", SMALL, 3, "trees", "log-odds"),
    ("xgboost.XGBRegressor", SMALL, 0, "trees", "prediction"),
    (f"{LINEAR}.LogisticRegression", {}, 2, "linear", "log-odds"),
    (f"{LINEAR}.LogisticRegression", {}, 3, "linear", "log-odds"),
    (f"{LINEAR}.Ridge", {}, 0, "linear", "prediction"),
    (f"{LINEAR}.PoissonRegressor", {}, 0, "linear", "log"),
]
SAMPLED = [
    ("sklearn.naive_bayes.GaussianNB", {}, 2),
    ("sklearn.neighbors.KNeighborsRegressor", {}, 0),
    (f"{ENSEMBLE}.GradientBoostingClassifier", SMALL, 3),
]


def explained(model: LoadedModel, rows: int = 20) -> attributions.Attributions:
    """Explain the first *rows* of the rows that *model* was fitted on."""
    features = model.contract.read(frame())
    return Explainer(model, features).explain(features[:rows])


def sums(found: attributions.Attributions) -> np.ndarray:
    """Return the predictions that the attributions *found* add up to."""
    totals = found.base + found.values.sum(axis=1)
    return attributions._links(found.classes)[found.scale](totals)


@pytest.mark.parametrize(("estimator", "parameters", "classes", "method", "scale"), EXACT)
def test_exact_ways_add_up_by_raw_column(estimator, parameters, classes, method, scale):
    """Base and contributions of the raw columns, one-hot ones among them, are the prediction of each row."""
    model = fitted(estimator, parameters, classes)
    found = explained(model)
    assert (found.method, found.scale, found.remark) == (method, scale, "")
    assert tuple(found.columns) == COLUMNS
    expected = model.predict(frame()[:20]).reshape(20, -1)
    np.testing.assert_allclose(sums(found), expected[:, -1:] if classes == 2 else expected, 1e-4, 1e-9)


@pytest.mark.parametrize(("estimator", "parameters", "classes"), SAMPLED)
def test_any_other_model_is_sampled(estimator, parameters, classes):
    """A model without an exact way is asked itself; the sum is the prediction all the same, and why is told."""
    model = fitted(estimator, parameters, classes)
    found = explained(model, 3)
    assert (found.method, found.scale) == ("sampled", "prediction")
    assert found.remark
    expected = model.predict(frame()[:3]).reshape(3, -1)
    np.testing.assert_allclose(sums(found), expected[:, -1:] if classes == 2 else expected, 1e-9, 1e-9)


def test_what_does_not_add_up_is_never_shown():
    """The trees of categorical splits, of which shap is wrong, are refused in a word, and the sampled way is taken."""
    categorical = {"max_iter": 20, "categorical_features": [0, 1], "min_samples_leaf": 5}
    model = fitted("sklearn.ensemble.HistGradientBoostingRegressor", categorical, 0)
    found = explained(model, 3)
    assert found.method == "sampled"
    assert "do not add up" in found.remark
    np.testing.assert_allclose(sums(found)[:, 0], model.predict(frame()[:3]))


def test_sums_that_are_off_are_refused_also_where_probabilities_hide_it():
    """A sum of log-odds that is off by one is refused, although both probabilities are 1 to six digits."""
    model = fitted(f"{LINEAR}.LogisticRegression", {"C": 1e6}, 2)
    features = model.contract.read(frame())
    model.pipeline["estimator"].intercept_ += 40
    explainer = Explainer(model, features)
    parts = explainer._of_linear(explainer._matrix(features[:5]))
    assert (
        explainer._check("linear", attributions._Parts(parts.base, parts.values), features[:5]).scale
        == "log-odds"
    )
    with pytest.raises(NotExplained, match="do not add up"):
        explainer._check("linear", attributions._Parts(parts.base + 1, parts.values), features[:5])


def test_a_row_tells_its_reasons():
    """The largest contribution comes first, the sum is the total, and the class that is explained is named."""
    found = explained(fitted("lightgbm.LGBMClassifier", SMALL, 3))
    reasons = found.reasons(4)
    sizes = [abs(value) for value in reasons.contributions.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert np.abs(found.values).mean(axis=(0, 2)).argmax() == COLUMNS.index("hour")
    assert reasons.total == pytest.approx(reasons.base + sum(reasons.contributions.values()))
    assert reasons.explained == found.predictions[4].argmax()
    assert reasons.prediction == found.predictions[4].max()


def test_of_two_classes_the_second_is_explained():
    """As everywhere else, the figure of two classes is the probability of the second."""
    found = explained(fitted(f"{LINEAR}.LogisticRegression", {}, 2))
    assert found.reasons(0).explained == 1
    assert found.predictions.shape == (20, 1)


def test_preprocessing_that_mixes_columns_is_sampled():
    """If nothing says which raw column a number was made of, the model is asked itself."""
    from sklearn.decomposition import PCA

    model = fitted("sklearn.linear_model.Ridge", {}, 0, ("distance", "hour", "wind"))
    columns, estimator = model.pipeline.steps[0][1], model.pipeline["estimator"]
    features = model.contract.read(frame())
    turned = PCA(3).fit(columns.transform(features))
    mixed = replace(
        model, pipeline=Pipeline([("columns", columns), ("turned", turned), ("estimator", estimator)])
    )
    found = Explainer(mixed, features).explain(features[:2])
    assert (found.method, "preprocessing" in found.remark) == ("sampled", True)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    """Whoever has not installed the extra reads how."""
    monkeypatch.setattr(attributions, "find_spec", lambda name: None)
    with pytest.raises(NotExplained, match=r"pip install 'regrow\[explain\]'"):
        Explainer(fitted(f"{LINEAR}.Ridge", {}, 0))


def test_training_rows_that_are_gone_are_named():
    """A model whose training rows are gone has no sampled way, and says so."""
    model = fitted("sklearn.neighbors.KNeighborsRegressor", {}, 0)
    with pytest.raises(NotExplained, match="rows that it has learnt from"):
        Explainer(model).explain(model.contract.read(frame())[:1])


def test_linear_models_are_explained_as_shap_does():
    """Weight times distance from the mean is what shap's own explainer of linear models says."""
    import shap

    model = fitted(f"{LINEAR}.Ridge", {}, 0, ("distance", "hour", "wind"))
    features = model.contract.read(frame())
    matrix = model.pipeline[:-1].transform(features)
    masker = shap.maskers.Independent(matrix, max_samples=len(matrix))
    theirs = shap.LinearExplainer(model.pipeline["estimator"], masker)(matrix[:20])
    found = explained(model)
    np.testing.assert_allclose(found.values[:, :, 0], theirs.values, atol=1e-12)
