"""The estimator that a project file names: one function builds it for `check` and for `train`."""

from pathlib import Path
from typing import Any

import pytest
from sklearn.base import BaseEstimator

from regrow.base.errors import ProjectError
from regrow.project import HalvingSearch, RandomizedSearch, Training
from regrow.project.estimators import build_estimator, check_search, make_preprocessing

FOREST = "sklearn.ensemble.RandomForestClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def test_the_seed_reaches_the_estimator() -> None:
    """The seed of the project file is the estimator's, unless its parameters name one."""
    assert build_estimator(Training(estimator=FOREST, seed=5)).get_params()["random_state"] == 5
    named = Training(estimator=FOREST, seed=5, parameters={"random_state": 6})
    assert build_estimator(named).get_params()["random_state"] == 6


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"estimator": "sklearn.linear_model.Logistic"}, r"training\.estimator.*Logistic"),
        ({"estimator": "sklearn.linear_models.Ridge"}, r"training\.estimator: .*no module"),
        (
            {"estimator": LOGISTIC, "parameters": {"depth": 1}},
            r"training\.parameters: .* refuses them.*depth",
        ),
        ({"estimator": LOGISTIC, "parameters": {"C": "much"}}, r"training\.parameters: .*'C'.*'much'"),
        ({"estimator": "sklearn.cluster.KMeans"}, "neither a classifier nor a regressor"),
        ({"estimator": "sklearn.preprocessing.StandardScaler"}, "neither a classifier nor a regressor"),
        ({"estimator": "sklearn.linear_model.RidgeClassifier"}, "gives no probabilities"),
        ({"estimator": LOGISTIC, "trust_versions": ("learnt",)}, r"trust_versions: no package `learnt`"),
    ],
)
def test_a_wrong_estimator_names_the_key(training: dict[str, Any], message: str) -> None:
    """An estimator that cannot be made, or is none, is an error of the project file."""
    with pytest.raises(ProjectError, match=message):
        build_estimator(Training(**training))


def test_what_is_no_estimator_is_never_called(tmp_path: Path) -> None:
    """A class without the interface of an estimator is refused before anything of it runs."""
    touched = tmp_path / "touched"
    training = Training(estimator="subprocess.Popen", parameters={"args": ["touch", str(touched)]})
    with pytest.raises(ProjectError, match=r"subprocess\.Popen is no estimator"):
        build_estimator(training)
    assert not touched.exists()


@pytest.mark.parametrize("raised", ["ZeroDivisionError('none left')", "KeyError('size')", "SystemExit(3)"])
def test_what_the_constructor_raises_is_named(
    raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An estimator may raise anything; the error names its class, the exception, and the line."""
    (tmp_path / "rude_estimator.py").write_text(
        "from sklearn.linear_model import Ridge\n"
        "class Rude(Ridge):\n    def __init__(self, alpha=1):\n"
        f"        raise {raised}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "rude_estimator", raising=False)
    name = raised.partition("(")[0]
    with pytest.raises(ProjectError, match=rf"rude_estimator\.Rude.*{name}.*rude_estimator\.py, line 4"):
        build_estimator(Training(estimator="rude_estimator.Rude"))


def test_a_module_that_ends_the_process_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of an estimator that raises or exits when it is imported is named with its line."""
    (tmp_path / "leaving_estimator.py").write_text("import sys\nsys.exit(4)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ProjectError, match=r"training\.estimator: .*SystemExit: 4.*leaving_estimator\.py, line 2"
    ):
        build_estimator(Training(estimator="leaving_estimator.Model"))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"depth": [1]}, r"training\.search\.space: .*no parameter `depth`"),
        ({"C": [1.0, "much"]}, r"training\.search\.space\.C: .*'much'"),
    ],
)
@pytest.mark.parametrize("kind", [RandomizedSearch, HalvingSearch])
def test_a_search_over_what_does_not_exist_is_named(kind: type, space: dict[str, Any], message: str) -> None:
    """A parameter that the estimator lacks, or a value that it refuses, is found before anything is fitted."""
    search = kind(kind="randomized" if kind is RandomizedSearch else "halving", space=space)
    with pytest.raises(ProjectError, match=message):
        check_search(build_estimator(Training(estimator=LOGISTIC)), search)


def test_scikit_learn_still_checks_parameters_by_the_name_that_we_call() -> None:
    """`_validate_params` is scikit-learn's own; when it is renamed, wrong values pass `check` again."""
    assert callable(BaseEstimator._validate_params)


NESTED = {"estimator": {"estimator": "sklearn.svm.LinearSVC", "parameters": {"C": 2.0}}}
CALIBRATED = "sklearn.calibration.CalibratedClassifierCV"


def test_an_estimator_inside_of_another_is_built() -> None:
    """A parameter that names an estimator becomes one, with its parameters and the seed."""
    inner = build_estimator(Training(estimator=CALIBRATED, parameters=NESTED, seed=4)).get_params()[
        "estimator"
    ]
    assert (type(inner).__name__, inner.C, inner.random_state) == ("LinearSVC", 2.0, 4)


def test_named_estimators_in_a_list_are_built() -> None:
    """Stacking takes its estimators by name, however deep they are described."""
    parts = [
        ["svm", {"estimator": CALIBRATED, "parameters": NESTED}],
        ["boosted", {"estimator": "lightgbm.LGBMClassifier"}],
    ]
    training = Training(estimator="sklearn.ensemble.StackingClassifier", parameters={"estimators": parts})
    built = build_estimator(training).get_params()
    assert built["svm__estimator__C"] == 2.0
    assert built["boosted__deterministic"] is True


def test_an_ordinary_mapping_stays_a_parameter() -> None:
    """A mapping that names no estimator, as the weights of classes, is passed on as it is."""
    training = Training(estimator=LOGISTIC, parameters={"class_weight": {"no": 1, "yes": 5}})
    assert build_estimator(training).get_params()["class_weight"] == {"no": 1, "yes": 5}


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (
            {"estimator": "sklearn.svm.Linear"},
            r"training\.parameters\.estimator\.estimator: .*no class `Linear`",
        ),
        ({"estimator": "subprocess.Popen"}, r"training\.parameters\.estimator\.estimator: .*is no estimator"),
        (
            {"estimator": "sklearn.svm.LinearSVC", "parameters": {"C": "much"}},
            r"training\.parameters\.estimator\.parameters: .*'much'",
        ),
        ({"estimator": "sklearn.svm.LinearSVC", "params": {}}, "unknown key `params`"),
        ({"estimator": "sklearn.svm.LinearSVC", "parameters": [1]}, r"parameters: \[1\] is no mapping"),
    ],
)
def test_a_wrong_estimator_inside_of_another_names_its_key(inner: dict[str, Any], message: str) -> None:
    """The error has the whole path of keys to what is wrong."""
    with pytest.raises(ProjectError, match=message):
        build_estimator(Training(estimator=CALIBRATED, parameters={"estimator": inner}))


def test_an_estimator_without_predict_is_refused(tmp_path: Path) -> None:
    """A regressor of the team's own that cannot predict is found before anything is fitted."""
    (tmp_path / "features.py").write_text(
        "from sklearn.base import BaseEstimator, RegressorMixin\n"
        "class Mute(RegressorMixin, BaseEstimator):\n    def fit(self, X, y):\n        return self\n"
    )
    with pytest.raises(ProjectError, match=r"features:Mute has no `predict`"):
        build_estimator(Training(estimator="features:Mute"), tmp_path / "demo.yaml")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def build():\n    pass", r"takes \(\), and is called with \(columns\)"),
        ("build = 1", "is no function"),
        ("def build(columns):\n    return columns", "returned dict, which has no `fit`"),
        ("def build(columns):\n    return columns['gone']", r"KeyError: 'gone' \(features\.py, line 2\)"),
    ],
)
def test_a_preprocessing_hook_that_makes_no_transformer_is_named(
    body: str, message: str, tmp_path: Path
) -> None:
    """What the hook raises, or returns instead of a transformer, is an error of the project file."""
    (tmp_path / "features.py").write_text(body)
    training = Training(estimator=LOGISTIC, preprocessing="features:build")
    with pytest.raises(ProjectError, match=rf"training\.preprocessing: features:build.*{message}"):
        make_preprocessing(training, {"size": "number"}, tmp_path / "demo.yaml")


def test_a_search_varies_what_is_inside_too() -> None:
    """A parameter of an inner estimator is known by its path, and its values are checked."""
    estimator = build_estimator(Training(estimator=CALIBRATED, parameters=NESTED))
    check_search(estimator, RandomizedSearch(kind="randomized", space={"estimator__C": [0.1, 1.0]}))
    with pytest.raises(ProjectError, match=r"estimator__C: the estimator refuses 'much'"):
        check_search(estimator, RandomizedSearch(kind="randomized", space={"estimator__C": ["much"]}))
