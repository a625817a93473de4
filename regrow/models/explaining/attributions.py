"""What each raw column adds to a prediction, and the check that it all adds up to what the model predicts.

Two kinds of model have an exact way: trees (TreeSHAP, Lundberg et al. 2020, by the package `shap`, for conditional
expectations along the paths of the trees) and linear models (weight times distance from the mean of training rows).
What preprocessing made of a column is added up again to that column. Any other model is asked itself, see `sampling`.

Nothing is shown that does not add up. `shap` is wrong for categorical splits of histogram gradient boosting
(shap#3436): such a model takes the sampled way, and the result says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.special import expit, softmax

from regrow.base.errors import DataError, NotExplained, SnapshotError, StateError
from regrow.data.reference import sample_snapshot
from regrow.models.explaining.origins import origins_of
from regrow.models.explaining.sampling import attribute, sampled_rows
from regrow.models.metrics import Label
from regrow.models.stored import LoadedModel

Floats = NDArray[np.float64]
Scale = Literal["prediction", "log-odds", "log"]
Method = Literal["trees", "linear", "sampled"]

TREES = frozenset(
    f"{name}{kind}"
    for name in ("HistGradientBoosting", "GradientBoosting", "RandomForest", "ExtraTrees", "DecisionTree",
                 "ExtraTree", "LGBM", "XGB", "XGBRF")
    for kind in ("Classifier", "Regressor")
)  # fmt: skip
"""Estimators for which `shap` has an exact way."""
PACKAGES = frozenset({"sklearn", "lightgbm", "xgboost", "regrow"})
TOLERANCE = 1e-5
"""Largest distance between sum and prediction, as a share of what is added up; XGBoost adds up in single precision."""
MEAN_OF = 1_000
"""Training rows of which the means for a linear model are."""
REMEDY = "install it by `pip install 'regrow[explain]'`"


def require_extra() -> None:
    """Raise `NotExplained` if the package that explanations need is not installed."""
    if find_spec("shap") is None:
        raise NotExplained(f"explanations need the package shap, which is not installed; {REMEDY}")


@dataclass(frozen=True)
class Reasons:
    """Why one row is predicted as it is: the base, and what each column adds to it."""

    prediction: float
    """The number of a regression; of a classifier the probability of the class that is explained."""
    explained: Label | None
    """The second of two classes, the likeliest of several; None for a regression."""
    scale: Scale
    """What is added up: the prediction itself, or its log-odds, or its logarithm."""
    base: float
    total: float
    """The base and all contributions: the prediction, on that scale."""
    contributions: dict[str, float]
    """By column, the largest first, whatever its sign."""
    method: Method
    remark: str = ""


@dataclass(frozen=True)
class Attributions:
    """What each raw column adds to the predictions of some rows; it adds up, or it would not be here."""

    method: Method
    scale: Scale
    columns: list[str]
    base: Floats
    """`(outputs,)`: one output for a regression or two classes, else one for each class."""
    values: Floats
    """`(rows, columns, outputs)`."""
    predictions: Floats
    """`(rows, outputs)`: numbers, or probabilities of the second class, or of each."""
    classes: Sequence[Label] = field(default=())
    remark: str = ""
    """Why an exact way was not taken."""

    def output(self, row: int) -> int:
        """Return the output of the row of the number *row* that is explained: the only one, or the likeliest class."""
        return int(self.predictions[row].argmax())

    def reasons(self, row: int) -> Reasons:
        """Return why the row of the number *row* is predicted as it is."""
        output = self.output(row)
        values = self.values[row, :, output]
        order = np.argsort(-np.abs(values), kind="stable")
        return Reasons(
            prediction=float(self.predictions[row, output]),
            explained=self.classes[1 if len(self.classes) == 2 else output] if self.classes else None,
            scale=self.scale,
            base=float(self.base[output]),
            total=float(self.base[output] + values.sum()),
            contributions={self.columns[place]: float(values[place]) for place in order},
            method=self.method,
            remark=self.remark,
        )


@dataclass(frozen=True)
class _Parts:
    """A base `(outputs,)` and values `(rows, columns, outputs)` that are not checked yet."""

    base: Floats
    values: Floats

    @property
    def totals(self) -> Floats:
        """What they add up to, `(rows, outputs)`."""
        return self.base + self.values.sum(axis=1)


class Explainer:
    """Explains the predictions of one model; made once for many calls, of one thread at a time."""

    def __init__(self, model: LoadedModel, background: pd.DataFrame | None = None) -> None:
        """Explain *model*; *background* are training rows (default: those of its snapshot).

        Raises `NotExplained` if the extra is not installed.
        """
        require_extra()
        self._model = model
        self._given = background
        self._prepare = model.pipeline[:-1] if len(model.pipeline.steps) > 1 else None
        self._estimator = model.pipeline.steps[-1][1]
        self._why_not = ""

    def explain(self, features: pd.DataFrame) -> Attributions:
        """Return what the columns of *features*, which the contract has read, add to what the model predicts of them.

        The sampled way explains as many of the rows as it can within its bound, from the first one on.
        Raises `NotExplained` if nothing adds up, or the training rows that it takes are gone.
        """
        exact, problem = None, self._why_not
        if not problem:
            exact, problem = self._try_exact(features)
            # What was found wrong once is not tried again at the next request.
            self._why_not = problem
        if exact is not None:
            return exact
        rows = sampled_rows(features.shape[1])
        if rows == 0:
            raise NotExplained(
                f"{problem}; sampling takes too long with {features.shape[1]} columns, leave some out of the model"
            )
        features = features.iloc[:rows]
        base, values = attribute(self._predict, features, self._background, seed=0)
        return self._check("sampled", _Parts(base, values), features, problem)

    def _try_exact(self, features: pd.DataFrame) -> tuple[Attributions | None, str]:
        """Explain *features* by the way of the model's own kind; return why it is not taken otherwise."""
        name = type(self._estimator).__name__
        kind, matrix = self._kind, self._matrix(features)
        if kind is None:
            return None, f"{name} has no exact way here"
        origins = origins_of(self._prepare or "passthrough", list(features.columns), matrix.shape[1])
        if origins is None:
            return None, "the preprocessing does not tell which column each number was made of"
        try:
            raw = self._of_trees(matrix) if kind == "trees" else self._of_linear(matrix)
            summed = _sum_by_column(raw, origins, list(features.columns))
            return self._check(kind, summed, features), ""
        except NotExplained as error:
            return None, str(error)

    @property
    def _kind(self) -> Literal["trees", "linear"] | None:
        """The exact way of the estimator, if it has one."""
        kind = type(self._estimator)
        package = kind.__module__.partition(".")[0]
        if kind.__name__ in TREES and package in PACKAGES:
            return "trees"
        linear = kind.__module__.startswith("sklearn.linear_model")
        return "linear" if linear and hasattr(self._estimator, "coef_") else None

    def _matrix(self, features: pd.DataFrame) -> Any:
        """Return what the estimator sees of *features*."""
        made: Any = features if self._prepare is None else self._prepare.transform(features)
        return made.toarray() if issparse(made) else made

    def _of_trees(self, matrix: Any) -> _Parts:
        """Explain the rows of *matrix* by TreeSHAP."""
        name = type(self._estimator).__name__
        try:
            found = self._trees(matrix, check_additivity=False)
        except Exception as error:  # (shap raises what it likes at what it does not know)
            raise NotExplained(
                f"shap does not explain this {name} ({type(error).__name__}: {error})"
            ) from error
        values = np.asarray(found.values, dtype=np.float64)
        values = values.reshape(*values.shape[:2], -1)
        base = np.asarray(found.base_values, dtype=np.float64).reshape(len(values), -1)[0]
        if len(self._model.facts.classes) == 2 and len(base) == 2:
            base, values = base[1:], values[:, :, 1:]
        return _Parts(base, values)

    @cached_property
    def _trees(self) -> Callable[..., Any]:
        """The explainer of `shap`; importing it takes seconds."""
        import shap

        estimator = self._estimator
        # By its class `shap` knows XGBoost's own classifiers, and not ours.
        trees = estimator.get_booster() if hasattr(estimator, "get_booster") else estimator
        return shap.TreeExplainer(trees, feature_perturbation="tree_path_dependent")

    def _of_linear(self, matrix: Any) -> _Parts:
        """Explain the rows of *matrix* by weight times distance from the mean (Lundberg and Lee 2017, section 4.1)."""
        weights = np.atleast_2d(np.asarray(self._estimator.coef_, dtype=np.float64))
        start = np.broadcast_to(np.asarray(self._estimator.intercept_, dtype=np.float64), len(weights))
        distances = np.asarray(matrix, dtype=np.float64) - self._means
        return _Parts(start + weights @ self._means, distances[:, :, None] * weights.T[None])

    @cached_property
    def _means(self) -> Floats:
        """The mean of each column of the prepared matrix over training rows."""
        return np.asarray(self._matrix(self._background), dtype=np.float64).mean(axis=0)

    @cached_property
    def _background(self) -> pd.DataFrame:
        """Rows that the model has learnt from, as its contract reads them."""
        if self._given is not None:
            return self._given
        try:
            rows = sample_snapshot(self._model.facts.training, self._model.features, MEAN_OF)
            return self._model.contract.read(rows)
        except (SnapshotError, StateError, DataError) as error:
            raise NotExplained(
                f"explaining this model takes rows that it has learnt from: {error}"
            ) from error

    def _predict(self, features: pd.DataFrame) -> Floats:
        """Predict *features* as `(rows, outputs)`."""
        found = self._model.predict_read(features)
        if found.ndim == 1:
            return found[:, None]
        return found[:, 1:] if found.shape[1] == 2 else found

    def _check(self, method: Method, parts: _Parts, features: pd.DataFrame, remark: str = "") -> Attributions:
        """Return *parts* as attributions on the scale on which they add up; raises `NotExplained` if there is none."""
        predictions, classes = self._predict(features), self._model.facts.classes
        for scale, link in _links(classes).items():
            found = link(parts.totals)
            if found.shape != predictions.shape:
                break
            off = _distances(scale, found, predictions, parts)
            if scale == "log-odds":
                off = off + self._distance_of_scores(parts.totals, features)
            if np.max(off) <= TOLERANCE:
                names = list(features.columns)
                return Attributions(
                    method, scale, names, parts.base, parts.values, predictions, classes, remark
                )
        raise NotExplained(
            f"the attributions of this {type(self._estimator).__name__} do not add up to its prediction (way: "
            f"{method}), so they are not shown"
        )

    def _distance_of_scores(self, totals: Floats, features: pd.DataFrame) -> float:
        """Return how far *totals* are from the estimator's own log-odds: probabilities near 0 or 1 hide a distance."""
        score = getattr(self._estimator, "decision_function", None)
        if score is None:
            return 0.0
        scores = np.asarray(score(self._matrix(features)), dtype=np.float64).reshape(len(totals), -1)
        return float(np.max(np.abs(totals - scores) / np.maximum(1, np.abs(scores))))


def _links(classes: Sequence[Label]) -> dict[Scale, Callable[[Floats], Floats]]:
    """Return how a sum becomes a prediction, by the scale on which it is one."""
    if not classes:
        return {"prediction": _as_it_is, "log": lambda totals: np.exp(np.minimum(totals, 700))}
    if len(classes) == 2:
        return {"prediction": _as_it_is, "log-odds": lambda totals: np.asarray(expit(totals))}
    return {"prediction": _as_it_is, "log-odds": lambda totals: np.asarray(softmax(totals, axis=1))}


def _as_it_is(totals: Floats) -> Floats:
    """Return *totals*, which are predictions."""
    return totals


def _distances(scale: Scale, found: Floats, predictions: Floats, parts: _Parts) -> Floats:
    """Return how far each sum is from its prediction, as a share of what is added up; of probabilities, as it is."""
    off = np.abs(found - predictions)
    if scale == "log-odds":
        return off
    size = np.abs(predictions)
    if scale == "prediction":
        size = np.abs(parts.base) + np.abs(parts.values).sum(axis=1)
    return np.divide(off, size, out=off.copy(), where=size > 0)


def _sum_by_column(raw: _Parts, origins: Sequence[str], columns: Sequence[str]) -> _Parts:
    """Add up what was made of each of *columns*; a column of which nothing was made adds nothing."""
    values = np.zeros((len(raw.values), len(columns), raw.values.shape[2]))
    for place, name in enumerate(origins):
        values[:, columns.index(name)] += raw.values[:, place]
    return _Parts(raw.base, values)
