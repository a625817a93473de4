"""Stored models are read through a checked list of types."""

import contextlib
import gc
import pickle
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from fitted_models import frame
from mlflow.sklearn import save_model
from model_facts import make_facts
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from regrow.base.errors import IncompatibleModel, NoFastPath, RegistryError, UnsafeModel
from regrow.models.contract import Contract
from regrow.models.decoding import Columns
from regrow.models.fast_path.compiling import compile_pipeline
from regrow.models.fitting import fit_pipeline
from regrow.models.frames import infer_columns
from regrow.models.linear import answer_rows_alone
from regrow.models.stored import LoadedModel, describe_stored, load_model, load_pipeline, own_files
from regrow.project import Training
from regrow.project.imports import code_name
from regrow.project.training import ByType


def test_an_ordinary_pipeline_loads(tmp_path):
    """What scikit-learn itself makes is read back with the same predictions."""
    pipeline = make_pipeline(LogisticRegression()).fit([[0.0], [1.0]], [0, 1])
    skops.io.dump(pipeline, tmp_path / "model.skops")
    assert (
        load_pipeline(tmp_path / "model.skops").predict_proba([[0.3]]) == pipeline.predict_proba([[0.3]])
    ).all()


def test_a_type_beyond_the_list_is_refused_by_name(tmp_path):
    """A function that is not on the list is never imported, whatever the file says."""
    skops.io.dump(make_pipeline(FunctionTransformer(pickle.loads)), tmp_path / "model.skops")
    with pytest.raises(UnsafeModel, match="loads"):
        load_pipeline(tmp_path / "model.skops")


def test_a_folder_without_a_model_says_so(tmp_path):
    """A folder that is no model is a RegistryError that names it."""
    with pytest.raises(RegistryError, match=tmp_path.name):
        load_model(str(tmp_path))


FEATURES = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression

class Shifted(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self
    def transform(self, X):
        return np.asarray(X, dtype=float) + SHIFT

class Careful(LogisticRegression):
    def predict_proba(self, X):
        return np.full((len(X), 2), [0.25, 0.75]) + 0 * super().predict_proba(X)

def build(columns):
    assert columns == {"hour": "number", "wind": "number"}
    return make_column_transformer((Shifted(), list(columns)))
"""


def store(folder: Path, training: Training, frame: pd.DataFrame, **changes: Any) -> LoadedModel:
    """Fit *training* to tell afternoons, as the flow does, store it in *folder* and load it."""
    project = SimpleNamespace(path=folder / "demo.yaml", training=training)
    target = pd.Series(np.where(frame["hour"] > 12, "late", "early"))
    columns = infer_columns(frame)
    features = Contract(columns).read(frame)
    pipeline, _ = fit_pipeline(
        training, features, target, project_path=project.path, timestamp=changes.get("timestamp")
    )
    code = tuple(map(code_name, own_files(project)))
    facts = make_facts(*pipeline.classes_, code=code, trust=training.trust, **changes)
    place = folder / f"model-{len(list(folder.iterdir()))}"
    with tempfile.TemporaryDirectory() as copies:
        save_model(
            path=str(place), **describe_stored(project, pipeline, columns, features, facts, Path(copies))
        )
    loaded = load_model(str(place))
    answer_rows_alone(pipeline)
    assert (loaded.predict(frame) == pipeline.predict_proba(features)).all()
    return loaded


def test_a_model_in_a_bucket_leaves_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are copied to this machine, stay as long as the model is in use, and go with it."""
    import mlflow.artifacts

    stored = store(tmp_path, Training(estimator="sklearn.linear_model.LogisticRegression"), frame()).folder

    def download(artifact_uri: str, dst_path: str) -> str:
        assert stored is not None
        return str(shutil.copytree(stored, Path(dst_path, "model")))

    monkeypatch.setenv("REGROW_STORE", "s3://bucket/team")
    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
    model = load_model("models:/m-1")
    copy = model.folder
    assert copy is not None
    assert (copy / "MLmodel").is_file()
    assert not copy.is_relative_to(tmp_path)
    del model
    gc.collect()
    assert not copy.exists()


@pytest.mark.parametrize(
    "training",
    [
        Training(estimator="lightgbm.LGBMClassifier", parameters={"n_estimators": 5}),
        Training(estimator="xgboost.XGBClassifier", parameters={"n_estimators": 5}),
        Training(
            estimator="sklearn.calibration.CalibratedClassifierCV",
            parameters={"cv": 2, "estimator": {"estimator": "sklearn.svm.LinearSVC"}},
        ),
        Training(
            estimator="sklearn.ensemble.StackingClassifier",
            parameters={
                "cv": 2,
                "estimators": [
                    ["boosted", {"estimator": "lightgbm.LGBMClassifier", "parameters": {"n_estimators": 3}}],
                    ["linear", {"estimator": "sklearn.linear_model.LogisticRegression"}],
                ],
            },
        ),
    ],
    ids=["lightgbm", "xgboost", "calibrated", "stacked"],
)
def test_any_estimator_answers_equally_in_server_batch_and_process(
    training: Training, tmp_path: Path
) -> None:
    """Stored and loaded, a row has one answer to the last bit: alone or among others, by the fast path or not."""
    rows = frame(300)
    loaded = store(tmp_path, training, rows)
    expected, contract = loaded.predict(rows), loaded.contract
    given = contract.plain(rows[:40])
    whole = contract.check(given, 40)
    assert (loaded.predict_checked(contract.frame([whole])) == expected[:40]).all()
    for row in range(5):
        assert (loaded.predict_checked(contract.frame([whole.take([row])])) == expected[row : row + 1]).all()
    with contextlib.suppress(NoFastPath):
        answered = compile_pipeline(loaded).predict(whole.features, 40)
        assert answered is not None
        assert (answered == expected[:40]).all()


def test_own_code_is_loaded_as_it_was_when_the_model_was_trained(tmp_path: Path) -> None:
    """Two models with different versions of one file stand beside each other, whatever the file says by now."""
    rows, file = frame(200)[["hour", "wind"]], tmp_path / "features.py"
    training = Training(estimator="sklearn.linear_model.LogisticRegression", preprocessing="features:build")
    file.write_text(f"{FEATURES}\nSHIFT = 1.0\n")
    first = store(tmp_path, training, rows)
    file.write_text(f"{FEATURES}\nSHIFT = 5.0\n")
    second = store(tmp_path, training, rows)
    file.unlink()
    shifts = [model.pipeline[0].transform(model.contract.read(rows[:1]))[0, 0] for model in (first, second)]
    assert shifts == [rows["hour"][0] + 1, rows["hour"][0] + 5]


def test_own_estimators_are_stored_with_their_code(tmp_path: Path) -> None:
    """A class beside the project file is an estimator like any other; MLflow's own loader finds it too."""
    (tmp_path / "features.py").write_text(FEATURES)
    rows = frame(200)[["hour", "wind"]]
    loaded = store(tmp_path, Training(estimator="features:Careful"), rows)
    assert (loaded.predict(rows) == [0.25, 0.75]).all()


def test_changed_code_is_refused(tmp_path: Path) -> None:
    """Code in a stored model that is not what the model was trained with is never run."""
    (tmp_path / "features.py").write_text(FEATURES)
    store(tmp_path, Training(estimator="features:Careful"), frame(200)[["hour", "wind"]])
    (code,) = tmp_path.glob("model-*/code/*.py")
    code.write_text(f"{code.read_text()}\nraise SystemExit\n")
    with pytest.raises(UnsafeModel, match="is not the code that the model was trained with"):
        load_model(str(code.parents[1]))
    code.unlink()
    with pytest.raises(RegistryError, match="is gone"):
        load_model(str(code.parents[1]))


def test_a_type_of_another_package_needs_the_files_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A type beyond the list is refused before it is stored, unless the project file trusts it by name."""
    (tmp_path / "their_package.py").write_text(FEATURES)
    monkeypatch.syspath_prepend(tmp_path)
    rows = frame(200)[["hour", "wind"]]
    training = Training(estimator="their_package.Careful")
    with pytest.raises(UnsafeModel, match=r"trust: \[their_package\.Careful\]"):
        store(tmp_path, training, rows)
    trusted = training.model_copy(update={"trust": ("their_package.Careful",)})
    assert (store(tmp_path, trusted, rows).predict(rows) == [0.25, 0.75]).all()


def test_dates_are_stored_and_answered_alike(tmp_path: Path) -> None:
    """Ages before the event and parts of dates are in the stored pipeline: a request and a frame get one answer."""
    rows = frame(200)[["hour"]].assign(
        since=pd.date_range("2020-01-01", periods=200, freq="31h"), at=pd.Timestamp("2024-01-01")
    )
    rows.loc[3, "since"] = None
    for number, dates in enumerate(("age", "parts")):
        (folder := tmp_path / str(number)).mkdir()
        training = Training(estimator="lightgbm.LGBMClassifier", preprocessing=ByType(dates=dates))
        loaded = store(folder, training, rows, timestamp="at")
        given = {
            "hour": [1, 17],
            "since": ["2021-05-01T00:00:00Z", None],
            "at": ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"],
        }
        request = loaded.contract.check(Columns(given, 2), 2)
        table = pd.DataFrame(given).assign(
            since=pd.to_datetime(given["since"]), at=pd.to_datetime(given["at"])
        )
        assert (loaded.predict_checked(loaded.contract.frame([request])) == loaded.predict(table)).all()


@pytest.mark.parametrize("estimator", ["lightgbm.LGBMClassifier", "sklearn.linear_model.LogisticRegression"])
def test_words_are_stored_and_answered_alike(estimator: str, tmp_path: Path) -> None:
    """The words of free text are in the stored pipeline: a request and a frame get one answer, a gap included."""
    rows = frame(200)[["hour"]]
    rows = rows.assign(
        note=[f"train {place} is {'late' if place % 3 else 'in time'}" for place in range(200)]
    )
    rows.loc[3, "note"] = None
    training = Training(estimator=estimator, preprocessing=ByType(words={"note": 20}))
    loaded = store(tmp_path, training, rows)
    given = {"hour": [1, 17, 5], "note": ["Late again", None, "words that nobody knows"]}
    request = loaded.contract.check(Columns(given, 3), 3)
    answered = loaded.predict_checked(loaded.contract.frame([request]))
    assert (answered == loaded.predict(pd.DataFrame(given))).all()


def test_a_model_says_what_it_was_made_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of a library's other major version is refused before its file is read; its project's word lets it in."""
    training, rows = Training(estimator="sklearn.linear_model.LogisticRegression"), frame(50)[["hour"]]
    older = {"libraries": {"scikit-learn": "0.24.2"}}
    with pytest.raises(IncompatibleModel, match=r"scikit-learn 0\.24\.2 \(here "):
        store(tmp_path, training, rows, **older)
    loaded = store(tmp_path, training, rows, **older, trust_versions=("scikit-learn",))
    assert [each.name for each in loaded.changed] == ["scikit-learn"]


def test_a_model_without_its_library_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that is gone is no traceback from within: the packages that the model was made with are named."""

    def fail(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'lightgbm'")

    monkeypatch.setattr("regrow.models.stored.load_pipeline", fail)
    training = Training(estimator="sklearn.linear_model.LogisticRegression")
    with pytest.raises(
        IncompatibleModel, match=r"'lightgbm'; install what it was made with: lightgbm==4\.6\.0"
    ):
        store(tmp_path, training, frame(50)[["hour"]], libraries={"lightgbm": "4.6.0"})


def test_a_model_travels_as_its_files(tmp_path: Path) -> None:
    """Another process gets the stored files and reads them through the checked list; the answers are the same."""
    model = store(tmp_path, Training(estimator="sklearn.linear_model.LogisticRegression"), frame())
    loaded = pickle.loads(pickle.dumps(model))  # noqa: S301 (made here)
    assert (loaded.predict(frame()) == model.predict(frame())).all()
    with pytest.raises(RegistryError, match="a model that is not stored cannot go to another process"):
        pickle.dumps(loaded)
