"""A fitted pipeline compiled for few rows: raw columns to predictions, the pipeline's own to the last bit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.utils import get_tags

from regrow.base.errors import NoFastPath
from regrow.models.contract import Rows
from regrow.models.fast_path.columns import Block, Values, compile_columns
from regrow.models.fast_path.trees import Forest, Matrix, add_up, merge_boosted, merge_forest
from regrow.models.stored import LoadedModel

MOST_ROWS = 512
"""The largest batch that is proven; beyond it the pipeline's fixed cost no longer counts."""
BOOSTED = {HistGradientBoostingClassifier, HistGradientBoostingRegressor}
KNOWN = ("sklearn.", "lightgbm.", "xgboost.", "regrow.")
FORESTS = {RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor}
Score = Callable[[Matrix], NDArray[np.float64] | None]
"""Predictions of a matrix; None if the pipeline must answer, because it may refuse the matrix."""


@dataclass(frozen=True)
class FastPath:
    """A fitted pipeline compiled for few rows: it answers them in the pipeline's place."""

    blocks: tuple[Block, ...]
    score: Score

    def predict(self, values: Values, rows: int) -> NDArray[np.float64] | None:
        """Predict *rows* rows, given by column and checked by the contract; None if the pipeline must answer."""
        if not 0 < rows <= MOST_ROWS:
            return None
        try:
            built = [block.build(values) for block in self.blocks]
        except OverflowError:
            return None
        return self.score(built[0] if len(built) == 1 else np.concatenate(built, axis=1))


def compile_pipeline(model: LoadedModel) -> FastPath:
    """Compile *model*; raises `NoFastPath` saying what stands in the way."""
    steps = [step for _, step in model.pipeline.steps]
    if len(steps) != 2:
        raise NoFastPath(f"a pipeline of {len(steps)} steps is not known; two are, columns and estimator")
    columns, estimator = steps
    if not type(estimator).__module__.startswith(KNOWN):
        raise NoFastPath(f"the estimator {type(estimator).__name__} is of a package that is not known")
    blocks = compile_columns(columns, model.contract.types)
    by_column = columns.transform(_neutral(model)).flags.f_contiguous
    return FastPath(blocks, _scorer(estimator, model.facts.kind == "regression", by_column))


def _neutral(model: LoadedModel) -> pd.DataFrame:
    """Make two rows without meaning."""
    values = {"string": "", "boolean": False}
    features = {name: [values.get(kind, 0)] * 2 for name, kind in model.contract.types.items()}
    return model.contract.frame([Rows(features, 2, [None, None], [None, None])])


def _scorer(estimator: Any, regression: bool, by_column: bool) -> Score:
    """Find the shortest way through *estimator*."""
    itself = _itself(estimator, regression, by_column)
    # Private: it encodes categories before the trees see them, and no public attribute says that there are none.
    if type(estimator) in BOOSTED and estimator._preprocessor is None:
        return _boosted(estimator, merge_boosted(estimator), regression, itself)
    if type(estimator) in FORESTS:
        return _forest(merge_forest(estimator), regression, itself)
    return itself


def _itself(estimator: Any, regression: bool, by_column: bool) -> Score:
    """Ask *estimator* itself, past the preprocessing.

    If the preprocessing lays its matrix out *by_column*, so must we: a matrix product adds in another order.
    """
    ask = estimator.predict if regression else estimator.predict_proba
    lay_out = np.asfortranarray if by_column else np.ascontiguousarray
    takes_missing = get_tags(estimator).input_tags.allow_nan

    def score(matrix: Matrix) -> NDArray[np.float64] | None:
        if not _sound(matrix, takes_missing):
            return None
        return np.asarray(ask(lay_out(matrix)), dtype=np.float64)

    return score


def _boosted(estimator: Any, forest: Forest | None, regression: bool, itself: Score) -> Score:
    """Add up the leaves of histogram gradient boosting and turn the sum into predictions by its own loss."""
    if forest is None:
        return itself
    # Private: what the sum of the leaves begins with, and the loss whose link turns the sum into predictions.
    start, width = estimator._baseline_prediction.reshape(1, -1), estimator.n_trees_per_iteration_
    loss = estimator._loss

    def score(matrix: Matrix) -> NDArray[np.float64] | None:
        if not forest.fits(matrix):
            return itself(matrix)
        raw = add_up(start, forest.values(matrix).reshape(len(matrix), -1, width))
        return loss.link.inverse(raw.ravel()) if regression else loss.predict_proba(raw)

    return score


def _forest(forest: Forest | None, regression: bool, itself: Score) -> Score:
    """Average the leaves of a random forest or of extra-trees."""
    if forest is None:
        return itself

    def score(matrix: Matrix) -> NDArray[np.float64] | None:
        if not forest.fits(matrix):
            return itself(matrix)
        if not _sound(matrix, takes_missing=True):
            return None
        values = forest.values(matrix)
        mean = add_up(np.zeros((1, values.shape[2])), values) / forest.count
        return mean.ravel() if regression else mean

    return score


def _sound(matrix: Matrix, takes_missing: bool) -> bool:
    """Return whether *matrix* holds nothing that scikit-learn's own checks could refuse, in 64 bits or in 32."""
    with np.errstate(over="ignore"):
        short = matrix.astype(np.float32)
    return not np.isinf(short).any() if takes_missing else bool(np.isfinite(short).all())
