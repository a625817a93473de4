"""Many fitted trees as one: an ensemble's answer to few rows in a single native call.

Each row is repeated once per tree, with the tree's number as a further feature, and nodes above the trees'
roots send it there. The comparisons are scikit-learn's own and the sum runs in its order, so that not a bit differs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
MOST_NODES = 2_000_000
MOST_ROWS = 64
MOST_CELLS = 1_000_000
"""Beyond these the copies cost more than the calls that they save."""


@dataclass(frozen=True)
class Forest:
    """Trees in one, read by *leaves*: from repeated rows to a value, or values, per row and tree."""

    count: int
    dtype: type[np.floating[Any]]
    leaves: Callable[[NDArray[Any]], Matrix]

    def fits(self, matrix: Matrix) -> bool:
        """Return whether *matrix* is so small that one call is faster."""
        rows, width = matrix.shape
        return rows <= MOST_ROWS and rows * self.count * (width + 1) <= MOST_CELLS

    def values(self, matrix: Matrix) -> Matrix:
        """Return the values of the leaf of each row in each tree: `(rows, trees, values)`."""
        rows, width = matrix.shape
        repeated = np.empty((rows, self.count, width + 1), dtype=self.dtype)
        repeated[:, :, :width] = matrix[:, None, :]
        repeated[:, :, width] = np.arange(self.count)
        return self.leaves(repeated.reshape(rows * self.count, width + 1)).reshape(rows, self.count, -1)


def add_up(start: Matrix, values: Matrix) -> Matrix:
    """Add *values* `(rows, steps, width)` to *start* `(1, width)` one after the other, as a loop would."""
    rows, steps, width = values.shape
    terms = np.empty((rows, steps + 1, width))
    terms[:, 0], terms[:, 1:] = start, values
    return np.add.accumulate(terms, axis=1)[:, -1]


def merge_boosted(estimator: Any) -> Forest | None:
    """Merge the trees of the histogram gradient boosting *estimator*; None if it splits on categories."""
    # Private: histogram gradient boosting publishes its trees nowhere else.
    trees = [tree.nodes for step in estimator._predictors for tree in step]
    if sum(map(len, trees)) > MOST_NODES or any(nodes["is_categorical"].any() for nodes in trees):
        return None
    starts, above = _roots([len(nodes) for nodes in trees])
    router = _blank(len(above), trees[0])
    router["feature_idx"], router["num_threshold"] = estimator.n_features_in_, above["threshold"]
    router["left"], router["right"] = above["left"], above["right"]
    moved = [nodes.copy() for nodes in trees]
    for nodes, start in zip(moved, starts, strict=True):
        nodes["left"] += start
        nodes["right"] += start
    none = np.zeros((0, 8), dtype=np.uint32)
    tree = type(estimator._predictors[0][0])(np.concatenate([router, *moved]), none, none)
    positions = np.zeros(estimator.n_features_in_ + 1, dtype=np.uint32)
    return Forest(len(trees), np.float64, lambda rows: tree.predict(rows, none, positions, 1))


def merge_forest(estimator: Any) -> Forest | None:
    """Merge the trees of the random forest or the extra-trees *estimator*; None if it is too large."""
    trees = [tree.tree_ for tree in estimator.estimators_]
    if sum(tree.node_count for tree in trees) > MOST_NODES or trees[0].n_outputs > 1:
        return None
    # The pickled state is the one way to read and to set all nodes of a tree, thresholds and missing values included.
    states = [tree.__getstate__() for tree in trees]
    starts, above = _roots([tree.node_count for tree in trees])
    router = _blank(len(above), states[0]["nodes"])
    router["feature"], router["threshold"] = estimator.n_features_in_, above["threshold"]
    router["left_child"], router["right_child"] = above["left"], above["right"]
    moved = [state["nodes"].copy() for state in states]
    for nodes, start in zip(moved, starts, strict=True):
        inner = nodes["left_child"] >= 0
        nodes["left_child"][inner] += start
        nodes["right_child"][inner] += start
    nodes = np.concatenate([router, *moved])
    silent = np.zeros((len(above), *states[0]["values"].shape[1:]))
    values = np.concatenate([silent, *(state["values"] for state in states)])
    classes = np.atleast_1d(trees[0].n_classes).astype(np.intp)
    tree = type(trees[0])(estimator.n_features_in_ + 1, classes, 1)
    depth = max(tree.max_depth for tree in trees) + len(trees).bit_length()
    tree.__setstate__({"max_depth": depth, "node_count": len(nodes), "nodes": nodes, "values": values})
    return Forest(len(trees), np.float32, tree.predict)


def _blank(count: int, nodes: NDArray[Any]) -> Any:
    """Make *count* empty nodes like *nodes*."""
    return np.zeros(count, dtype=nodes.dtype)


def _roots(sizes: list[int]) -> tuple[list[int], NDArray[np.void]]:
    """Place trees of *sizes* nodes behind a binary tree over their numbers.

    Return where each begins, and the nodes of that tree: `threshold`, `left` and `right` child.
    """
    first = len(sizes) - 1
    starts = [first + int(start) for start in np.cumsum([0, *sizes[:-1]])]
    above: list[tuple[float, int, int]] = []

    def grow(low: int, high: int) -> int:
        if high - low == 1:
            return starts[low]
        at, middle = len(above), (low + high) // 2
        above.append((0.0, 0, 0))
        above[at] = (middle - 0.5, grow(low, middle), grow(middle, high))
        return at

    grow(0, len(sizes))
    return starts, np.array(above, dtype=[("threshold", float), ("left", np.int64), ("right", np.int64)])
