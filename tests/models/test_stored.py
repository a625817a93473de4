"""Stored models are read through a checked list of types."""

import pickle

import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from regrow.errors import RegistryError, UnsafeModel
from regrow.models.stored import load_model, load_pipeline


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
