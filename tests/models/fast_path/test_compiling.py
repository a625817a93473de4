"""The fast path gives the pipeline's own answers, or none."""

import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from model_facts import make_facts
from threadpoolctl import threadpool_limits

from regrow.errors import NoFastPath
from regrow.models.decoding import Columns
from regrow.models.fast_path.compiling import MOST_ROWS, compile_pipeline
from regrow.models.fast_path.proof import claim, describe, prove, trusted
from regrow.models.stored import LoadedModel
from regrow.project import Training
from tasks.fit import fit_pipeline, kind_of

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


COLUMNS = ("carrier", "distance", "dest", "hour", "wind")


def frame(rows: int = 500) -> pd.DataFrame:
    """Make rows with text (one column of 70 values), whole numbers, fractions and gaps."""
    draw = np.random.default_rng(7)
    text = draw.choice(["AA", "UA", "DL"], rows).astype(object)
    text[draw.random(rows) < 0.1] = None
    number = draw.normal(1000, 300, rows)
    number[draw.random(rows) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "carrier": text,
            "distance": number,
            "dest": draw.choice([f"D{n}" for n in range(70)], rows),
            "hour": draw.integers(0, 24, rows),
            "wind": draw.normal(0, 1e-3, rows),
        }
    )


def fitted(
    estimator: str, parameters: dict[str, object], classes: int = 0, columns: tuple[str, ...] = COLUMNS
) -> LoadedModel:
    """Fit *estimator* as the flow does; no classes make it a regression."""
    features, draw = frame()[list(columns)], np.random.default_rng(3)
    score = frame()["hour"] / 24 + draw.random(len(features))
    target = pd.Series(pd.qcut(score, classes, labels=False)) if classes else score
    with threadpool_limits(1):
        pipeline, _ = fit_pipeline(Training(estimator=estimator, parameters=parameters), features, target)
    _, names = kind_of(pipeline)
    output = pipeline.predict_proba(features) if classes else pipeline.predict(features)
    facts = make_facts(*names)
    return LoadedModel("m-1", pipeline, infer_signature(features, output), facts)


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


def test_a_plan_that_differs_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leaf that differs in its last bit is no identical answer, and the reason says by how much."""
    model = fitted("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 5}, 2)
    plan = compile_pipeline(model)
    leaves = vars(model.pipeline[-1])["_predictors"][3][0].nodes
    leaves["value"] = np.nextafter(leaves["value"], np.inf)
    monkeypatch.setattr("regrow.models.fast_path.proof.compile_pipeline", lambda _: plan)
    with pytest.raises(NoFastPath, match="differ by up to"):
        prove(model, frame())


def test_a_claim_is_believed_only_while_it_holds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the tag, with another scikit-learn's, or where some rows differ after all, the pipeline answers."""
    model, rows = fitted("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 5}, 2), frame(4)
    assert trusted(model, f"{claim()} on 500 rows", rows) is not None
    assert trusted(model, None, rows) is None
    assert trusted(model, "identical under scikit-learn 0.1 on 500 rows", rows) is None
    other = compile_pipeline(fitted("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 6}, 2))
    monkeypatch.setattr("regrow.models.fast_path.proof.compile_pipeline", lambda _: other)
    assert trusted(model, f"{claim()} on 500 rows", rows) is None
    assert "does not hold here" in caplog.text


def test_an_unknown_step_is_no_fast_path() -> None:
    """A pipeline that Regrow did not build answers itself, and the version's tag says why."""
    model = fitted("sklearn.linear_model.LogisticRegression", {}, 2)
    vars(model.pipeline[0])["transformers_"][1][1].steps[0][1].add_indicator = True
    assert describe(model, frame()).startswith("none: the transformer 'numbers' has parameters")


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


BOOSTED_NODE = {
    "value", "count", "feature_idx", "num_threshold", "missing_go_to_left", "left", "right", "gain", "depth",
    "is_leaf", "bin_threshold", "is_categorical", "bitset_idx",
}  # fmt: skip
TREE_NODE = {
    "left_child", "right_child", "feature", "threshold", "impurity", "n_node_samples", "weighted_n_node_samples",
    "missing_go_to_left",
}  # fmt: skip


def test_scikit_learn_still_has_the_private_names_that_we_read() -> None:
    """A release of scikit-learn that renames or reshapes what the fast path reads is noticed here, by its name."""
    boosted = fitted("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 2}, 2).pipeline[-1]
    private = vars(boosted)
    assert {"_predictors", "_preprocessor", "_baseline_prediction", "_loss"} <= set(private)
    assert private["_preprocessor"] is None
    assert private["_baseline_prediction"].shape == (1, 1)
    assert callable(private["_loss"].predict_proba)
    assert callable(private["_loss"].link.inverse)
    tree = private["_predictors"][0][0]
    assert set(tree.nodes.dtype.names) == BOOSTED_NODE
    assert callable(tree.predict)
    forest = fitted("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 1}, 2).pipeline[-1]
    state = vars(forest)["estimators_"][0].tree_.__getstate__()
    assert set(state) == {"max_depth", "node_count", "nodes", "values"}
    assert set(state["nodes"].dtype.names) == TREE_NODE
