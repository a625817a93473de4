"""Read stored models through a checked list of types."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from regrow.errors import DataError, RegistryError, UnsafeModel
from regrow.models.contract import Contract, read_signature
from regrow.results import ModelFacts

TRUSTED_TYPES = frozenset(
    {
        "numpy.dtype",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
    }
)
"""Types beyond skops' own defaults that a stored model may hold: the internals of scikit-learn's estimators."""


@dataclass(frozen=True)
class LoadedModel:
    """A pipeline in memory, with its signature and what it says of itself."""

    model_id: str
    pipeline: Pipeline
    signature: ModelSignature
    facts: ModelFacts

    @cached_property
    def contract(self) -> Contract:
        """What the model takes."""
        return Contract(read_signature(self.signature), self.facts.id, self.facts.timestamp)

    @property
    def features(self) -> list[str]:
        """The raw columns that the model takes, in order."""
        return self.contract.features

    def predict(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Predict the raw rows of *frame*: `(rows,)` for a regression, else `(rows, classes)` probabilities.

        Raises `DataError` if a row does not fit the model.
        """
        return self.predict_read(self.contract.read(frame))

    def predict_read(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Predict *features*, which the contract has read; raises `DataError` if the pipeline refuses them."""
        try:
            return self.predict_checked(features)
        except ValueError as error:
            raise DataError(
                f"{self.model_id} cannot predict these rows: {_explain(features, error)}"
            ) from error

    def predict_checked(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Predict *features*, which the contract has read; whatever the pipeline raises is passed on."""
        if self.facts.kind == "regression":
            return np.asarray(self.pipeline.predict(features), dtype=np.float64)
        return np.asarray(self.pipeline.predict_proba(features), dtype=np.float64)


def _explain(features: pd.DataFrame, error: ValueError) -> str:
    """Return which infinite value made a model raise *error*, or else *error*."""
    numbers = features.select_dtypes("number")
    infinite = np.isinf(numbers.to_numpy(dtype=np.float64))
    if not infinite.any():
        return str(error)
    row, place = (int(found) for found in np.argwhere(infinite)[0])
    column = numbers.columns[place]
    return f"column {column!r}, row {row}: {numbers.iloc[row, place]} is no finite number; correct it in the source"


def load_model(model_uri: str) -> LoadedModel:
    """Load the model at *model_uri* (`models:/m-…`, `models:/flights@champion`, a folder).

    Raises `UnsafeModel` if it holds a type that is not on the list, `RegistryError` if its files are not
    those of a Regrow model.
    """
    import mlflow.artifacts

    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri))
        described = Model.load(str(folder))
    except (MlflowException, OSError) as error:
        raise RegistryError(
            f"{model_uri}: its files cannot be read ({error}); register the model again"
        ) from error
    metadata = described.metadata or {}
    if "regrow" not in metadata or described.signature is None:
        raise RegistryError(
            f"{model_uri}: not logged by Regrow (no facts, or no signature); train it with a project file"
        )
    return LoadedModel(
        model_id=str(described.model_id),
        pipeline=load_pipeline(folder / described.flavors["sklearn"]["pickled_model"]),
        signature=described.signature,
        facts=ModelFacts.model_validate(metadata["regrow"]),
    )


def load_pipeline(path: Path) -> Pipeline:
    """Load the skops file at *path*; the list of what may be in it is ours, never the file's own."""
    import skops.io

    untrusted = untrusted_types(path)
    if untrusted:
        raise UnsafeModel(
            f"{path}: holds {', '.join(untrusted)}, not on the checked list regrow.models.stored.TRUSTED_TYPES"
        )
    return skops.io.load(path, trusted=sorted(TRUSTED_TYPES))


def untrusted_types(path: Path) -> list[str]:
    """List the types in the skops file at *path* that are not on the checked list."""
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(file=path)) - TRUSTED_TYPES)
