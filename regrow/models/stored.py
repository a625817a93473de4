"""How a model is stored with its code, and read back, through a checked list of types."""

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature, infer_signature
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from regrow.base import provenance
from regrow.base.errors import DataError, IncompatibleModel, RegistryError, UnsafeModel
from regrow.base.settings import load_settings
from regrow.data.objects import object_errors
from regrow.models.contract import Contract, read_signature, write_signature
from regrow.models.fitted import packages_of
from regrow.models.libraries import ChangedLibrary, changed_libraries, check_libraries
from regrow.models.linear import answer_rows_alone
from regrow.models.predictions import ask
from regrow.models.results import ModelFacts
from regrow.models.values import Column
from regrow.project import Project
from regrow.project.imports import code_name, describe_error, hook_file, load_code, naming_origin

CODE_FOLDER = "code"
"""Folder of a stored model with the team's own code: so MLflow names it."""

TRUSTED_TYPES = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRanker",
        "lightgbm.sklearn.LGBMRegressor",
        "numpy.dtype",
        "regrow.models.dates.DateAges",
        "regrow.models.dates.DateParts",
        "regrow.models.words.Words",
        "regrow.models.xgboost_classes.XGBClassifier",
        "regrow.models.xgboost_classes.XGBRFClassifier",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.metrics._classification.accuracy_score",
        "sklearn.metrics._classification.balanced_accuracy_score",
        "sklearn.metrics._classification.f1_score",
        "sklearn.metrics._classification.precision_score",
        "sklearn.metrics._classification.recall_score",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._scorer._CurveScorer",
        "sklearn.metrics._scorer._Scorer",
        "sklearn.multiclass._ConstantPredictor",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRFClassifier",
        "xgboost.sklearn.XGBRFRegressor",
        "xgboost.sklearn.XGBRegressor",
    }
)
"""Types beyond skops' own defaults that any stored model may hold: LightGBM's and XGBoost's estimators, and what is
inside of scikit-learn's."""


@dataclass(frozen=True)
class LoadedModel:
    """A pipeline in memory, with its signature and what it says of itself."""

    model_id: str
    pipeline: Pipeline
    signature: ModelSignature
    facts: ModelFacts
    changed: tuple[ChangedLibrary, ...] = ()
    """The libraries that are here in another version than the model was made with."""
    folder: Path | None = None
    """Where its files are; None if it was not loaded."""

    def __post_init__(self) -> None:
        """Let a row's answer not depend on the rows beside it."""
        answer_rows_alone(self.pipeline)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as files, which are loaded there through the checked list of types."""
        if self.folder is None:
            raise RegistryError(f"{self.model_id}: a model that is not stored cannot go to another process")
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return load_files, ({path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files},)

    @cached_property
    def contract(self) -> Contract:
        """What the model takes."""
        return Contract(
            read_signature(self.signature), self.facts.id, self.facts.timestamp, self.facts.entity
        )

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
        """Predict *features*, which the contract has read; raises `DataError` if the pipeline refuses them.

        So it does if the team's own code in it fails on them, with the line that did.
        """
        said = f"{self.model_id} cannot predict these rows"
        try:
            return self.predict_checked(features)
        except ValueError as error:
            raise DataError(f"{said}: {_explain(features, error)}") from error
        except (
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            RuntimeError,
            TypeError,
        ) as error:
            raise DataError(f"{said}: {describe_error(error)}") from error

    def predict_checked(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Predict *features*, which the contract has read; whatever the pipeline raises is passed on."""
        return ask(self.pipeline, self.facts.kind, features)


def _explain(features: pd.DataFrame, error: ValueError) -> str:
    """Return which infinite value made a model raise *error*, or else *error*."""
    numbers = features.select_dtypes("number")
    infinite = np.isinf(numbers.to_numpy(dtype=np.float64))
    if not infinite.any():
        return str(error)
    row, place = (int(found) for found in np.argwhere(infinite)[0])
    column = numbers.columns[place]
    return f"column {column!r}, row {row}: {numbers.iloc[row, place]} is no finite number; correct it in the source"


def own_files(project: Project) -> list[Path]:
    """Return the Python files of the team's own that *project* trains with."""
    return sorted({hook_file(project.path, reference) for reference in project.training.own_code})


def describe_stored(
    project: Project,
    pipeline: Pipeline,
    columns: Sequence[Column],
    features: pd.DataFrame,
    facts: ModelFacts,
    folder: Path,
) -> dict[str, Any]:
    """Return how *pipeline* is stored: its signature of *columns*, pinned packages, facts, types and own code.

    *folder* holds copies of the code until it is stored. Raises `UnsafeModel` if the server would refuse the model.
    """
    types = _check_types(pipeline, facts)
    sample, method = features.head(50), "predict" if facts.kind == "regression" else "predict_proba"
    with naming_origin(
        DataError, f"{project.training.estimator} cannot predict the rows that it was fitted on"
    ):
        outputs = infer_signature(model_output=getattr(pipeline, method)(sample)).outputs
    return {
        "sk_model": pipeline,
        "serialization_format": "skops",
        "skops_trusted_types": sorted(TRUSTED_TYPES | types),
        "signature": write_signature(columns, outputs),
        "pyfunc_predict_fn": method,
        "pip_requirements": list(provenance.pinned_requirements(packages_of(pipeline))),
        "metadata": {"regrow": facts.model_dump(mode="json")},
        "code_paths": _copy_code(project, folder),
    }


def _copy_code(project: Project, folder: Path) -> list[str] | None:
    """Copy the team's own code into *folder*, each file under the name that its module has in the model."""
    copies = []
    for file in own_files(project):
        copies.append(str(folder / f"{code_name(file)}.py"))
        shutil.copyfile(file, copies[-1])
    return copies or None


def _check_types(pipeline: Pipeline, facts: ModelFacts) -> set[str]:
    """Refuse a model that the server would refuse, before it is stored; return the types beyond skops' own list."""
    import skops.io

    with naming_origin(UnsafeModel, "training.estimator: the fitted model cannot be stored"):
        found = set(skops.io.get_untrusted_types(data=skops.io.dumps(pipeline)))
    untrusted = untrusted_types(found, facts.trust, facts.code)
    if untrusted:
        raise UnsafeModel(
            f"training.estimator: the fitted model holds {', '.join(untrusted)}, not on the checked list "
            "regrow.models.stored.TRUSTED_TYPES; take another estimator, or review the types and add to the project "
            f"file `training: {{ trust: [{', '.join(untrusted)}] }}`"
        )
    return found


def load_model(model_uri: str) -> LoadedModel:
    """Load the model at *model_uri* (`models:/m-…`, `models:/flights@champion`, a folder).

    Raises `UnsafeModel` if it holds a type that is not on the list, `IncompatibleModel` if a library has changed too
    much since, `RegistryError` if its files are not those of a Regrow model.
    """
    try:
        folder, copy = _fetch(model_uri)
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
    facts = ModelFacts.read(metadata["regrow"])
    model_id, changed = str(described.model_id), changed_libraries(facts.libraries)
    check_libraries(model_id, changed, facts.trust_versions)
    _load_code(folder, facts)
    path = folder / described.flavors["sklearn"]["pickled_model"]
    try:
        pipeline = load_pipeline(path, facts.trust, facts.code)
    except ImportError as error:
        made_with = " ".join(f"{name}=={version}" for name, version in facts.libraries.items())
        raise IncompatibleModel(f"{model_id}: {error}; install what it was made with: {made_with}") from error
    loaded = LoadedModel(
        model_id=model_id,
        pipeline=pipeline,
        signature=described.signature,
        facts=facts,
        changed=changed,
        folder=folder,
    )
    if copy is not None:
        weakref.finalize(loaded, copy.cleanup)
    return loaded


def _fetch(model_uri: str) -> tuple[Path, tempfile.TemporaryDirectory[str] | None]:
    """Return the folder with the files of the model at *model_uri*, and the copy that it is in: None if it is none.

    A model in a bucket is copied into a temporary folder, which lasts as long as what is returned.
    """
    import mlflow.artifacts

    artifacts = load_settings().artifacts
    if isinstance(artifacts, Path) or not model_uri.startswith("models:/"):
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri)), None
    copy = tempfile.TemporaryDirectory(prefix="regrow-model-")
    with object_errors(artifacts):
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri, dst_path=copy.name)), copy


def load_files(files: Mapping[str, bytes]) -> LoadedModel:
    """Load the model whose *files* came from another process, as `load_model` does."""
    with tempfile.TemporaryDirectory(prefix="regrow-model-") as place:
        for name, content in files.items():
            path = Path(place, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return replace(load_model(place), folder=None)


def _load_code(folder: Path, facts: ModelFacts) -> None:
    """Load the team's own code that the model in *folder* was trained with, as it was then."""
    for name in facts.code:
        file = folder / CODE_FOLDER / f"{name}.py"
        if not file.is_file():
            raise RegistryError(f"{file}: the code that the model was trained with is gone; train it again")
        if code_name(file) != name:
            raise UnsafeModel(f"{file}: is not the code that the model was trained with; train it again")
        with naming_origin(RegistryError, f"{file} fails at import", file.parent):
            load_code(file)


def load_pipeline(path: Path, trust: Sequence[str] = (), code: Sequence[str] = ()) -> Pipeline:
    """Load the skops file at *path*; the list of what may be in it is ours, never the file's own.

    To the checked list the project file added the types in *trust*, and the modules *code* of its own.
    Raises `UnsafeModel` naming the types beyond these.
    """
    import skops.io

    found = set(skops.io.get_untrusted_types(file=path))
    untrusted = untrusted_types(found, trust, code)
    if untrusted:
        raise UnsafeModel(
            f"{path}: holds {', '.join(untrusted)}, neither on the checked list regrow.models.stored.TRUSTED_TYPES "
            "nor among the types that its project file trusted (training.trust)"
        )
    return skops.io.load(path, trusted=sorted(TRUSTED_TYPES | found))


def untrusted_types(found: Iterable[str], trust: Sequence[str] = (), code: Sequence[str] = ()) -> list[str]:
    """Return which types of *found* are neither on the checked list, nor in *trust*, nor of the modules *code*."""
    own = tuple(f"{name}." for name in code)
    return sorted(name for name in set(found) - TRUSTED_TYPES - set(trust) if not name.startswith(own))
