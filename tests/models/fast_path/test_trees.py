"""Many trees merged into one give each tree's own leaf, and their sum is that of a loop, to the last bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from regrow.models.fast_path import trees
from regrow.models.fast_path.trees import MOST_CELLS, MOST_ROWS, Forest, add_up, merge_boosted, merge_forest

DRAW = np.random.default_rng(5)
ROWS = DRAW.normal(size=(120, 3))
ROWS[::9, 1] = np.nan
TARGET = np.nan_to_num(ROWS).sum(axis=1) + DRAW.normal(size=120)
CLASSES = np.digitize(TARGET, [-1, 1])
BOOSTED_NODE = {
    "value", "count", "feature_idx", "num_threshold", "missing_go_to_left", "left", "right", "gain", "depth",
    "is_leaf", "bin_threshold", "is_categorical", "bitset_idx",
}  # fmt: skip
TREE_NODE = {
    "left_child", "right_child", "feature", "threshold", "impurity", "n_node_samples", "weighted_n_node_samples",
    "missing_go_to_left",
}  # fmt: skip


def merged(forest: Forest | None) -> Forest:
    """Return *forest*, which must be one."""
    assert forest is not None
    return forest


@pytest.mark.parametrize("count", [1, 2, 3, 8, 13])
def test_a_forest_gives_the_leaf_of_each_tree(count: int) -> None:
    """Any number of trees is told apart, gaps included, and every value is the tree's own."""
    for kind, target in (
        (RandomForestClassifier, CLASSES),
        (RandomForestRegressor, TARGET),
        (ExtraTreesRegressor, TARGET),
    ):
        estimator = kind(count, random_state=1).fit(ROWS, target)
        found = merged(merge_forest(estimator)).values(ROWS)
        short = ROWS.astype(np.float32)
        expected = np.stack([tree.tree_.predict(short) for tree in estimator.estimators_], axis=1)
        assert np.array_equal(found, expected.reshape(found.shape))


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("classes", [0, 3])
def test_boosting_gives_the_leaf_of_each_tree(steps: int, classes: int) -> None:
    """The trees of each step, one per class, keep their order and every value is the tree's own."""
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    estimator = kind(max_iter=steps, min_samples_leaf=5).fit(ROWS, CLASSES if classes else TARGET)
    found = merged(merge_boosted(estimator)).values(ROWS)
    none, places = np.zeros((0, 8), dtype=np.uint32), np.zeros(3, dtype=np.uint32)
    each = [tree for step in vars(estimator)["_predictors"] for tree in step]
    assert len(each) == steps * max(classes, 1)
    assert np.array_equal(
        found[:, :, 0], np.stack([tree.predict(ROWS, none, places, 1) for tree in each], axis=1)
    )


@given(st.data(), st.integers(1, 3), st.integers(0, 5), st.integers(1, 3))
def test_a_sum_runs_as_a_loop_does(data: st.DataObject, rows: int, steps: int, width: int) -> None:
    """Leaves are added one after the other: another order would change the last bit."""
    numbers = st.floats(-1e6, 1e6)
    start = data.draw(arrays(np.float64, (1, width), elements=numbers))
    values = data.draw(arrays(np.float64, (rows, steps, width), elements=numbers))
    expected = np.repeat(start, rows, axis=0)
    for step in range(steps):
        expected = expected + values[:, step]
    assert np.array_equal(add_up(start, values), expected)


def test_a_large_matrix_does_not_fit() -> None:
    """Too many rows, or too many copies of them, are left to the trees themselves."""
    forest = Forest(100, np.float64, lambda rows: rows)
    assert forest.fits(np.zeros((MOST_ROWS, 3)))
    assert not forest.fits(np.zeros((MOST_ROWS + 1, 3)))
    most = MOST_CELLS // 100
    assert forest.fits(np.zeros((1, most - 1)))
    assert not forest.fits(np.zeros((1, most)))


def test_what_cannot_be_merged_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splits on categories, several targets and too many nodes are left to the estimator."""
    coded: Any = np.column_stack([CLASSES, ROWS[:, 0]])
    by_category = HistGradientBoostingRegressor(max_iter=2, categorical_features=[0], min_samples_leaf=5)
    assert merge_boosted(by_category.fit(coded, CLASSES == 1)) is None
    two_targets = RandomForestRegressor(2).fit(ROWS, np.column_stack([TARGET, TARGET]))
    assert merge_forest(two_targets) is None
    forest = RandomForestRegressor(2).fit(ROWS, TARGET)
    boosted = HistGradientBoostingRegressor(max_iter=2).fit(ROWS, TARGET)
    assert merge_forest(forest) is not None
    assert merge_boosted(boosted) is not None
    monkeypatch.setattr(trees, "MOST_NODES", 3)
    assert merge_forest(forest) is None
    assert merge_boosted(boosted) is None


def test_scikit_learn_still_has_the_private_names_that_we_read() -> None:
    """A release of scikit-learn that renames or reshapes the nodes of a tree is noticed here, by its name."""
    boosted = HistGradientBoostingClassifier(max_iter=2).fit(ROWS, CLASSES)
    assert "_predictors" in vars(boosted)
    tree = vars(boosted)["_predictors"][0][0]
    assert set(tree.nodes.dtype.names) == BOOSTED_NODE
    assert callable(tree.predict)
    forest = RandomForestClassifier(1).fit(ROWS, CLASSES)
    state = vars(forest)["estimators_"][0].tree_.__getstate__()
    assert set(state) == {"max_depth", "node_count", "nodes", "values"}
    assert set(state["nodes"].dtype.names) == TREE_NODE
