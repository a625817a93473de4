"""Prove that the fast path answers as the pipeline does, row by row and bit by bit, or say why it does not."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, cycle, islice, repeat
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from regrow.base.errors import InvalidRequest, NoFastPath
from regrow.models.contract import Contract, Rows
from regrow.models.decoding import Columns
from regrow.models.fast_path.compiling import MOST_ROWS, FastPath, compile_pipeline
from regrow.models.fast_path.trees import MOST_ROWS as FEW
from regrow.models.stored import LoadedModel

LOG = logging.getLogger(__name__)
TAG = "regrow.fast_path"
MOST_PROVEN = 50_000
MOST_CELLS = 20 * MOST_PROVEN
"""Of a table with more than 20 columns fewer rows are compared: its values are in memory as Python's own."""
MOST_ALTERED_CELLS = 320_000
"""Values of the altered rows together: of more than some 160 columns every second, third … is altered."""
SINGLE_ROWS, ALTERED_ROWS, SOME_ROWS = 16, 64, 2_000
BATCHES = (7, FEW, MOST_ROWS)
"""Sizes of the batches of the first `SOME_ROWS`, after the single ones: a matrix product may differ in its last bit
with the size. All rows after them are compared at once, which takes a tenth of the time."""
NUMBERS = (None, np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e-320, 1e39, 1e308, -1e308, 2.0**53 + 2)
ALTERED: dict[str, tuple[Any, ...]] = {
    "double": NUMBERS,
    "long": (None, 0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)),
    "integer": (None, 0, -1, 2**31 - 1),
    "boolean": (None, True, False),
    "string": (None, "", " ", "nan", "None", "never seen \u2603", "x" * 300),
}


@dataclass(frozen=True)
class Proof:
    """A fast_path that was compared with its pipeline: on *rows* rows as they are, and on *altered* ones."""

    fast_path: FastPath
    rows: int
    altered: int


def describe(model: LoadedModel, holdout: pd.DataFrame) -> str:
    """Return the version's tag: on how many rows the fast path of *model* is identical, or why there is none."""
    try:
        proof = prove(model, holdout)
    except NoFastPath as error:
        return f"none: {error}"
    return f"{claim()} on {proof.rows} rows and {proof.altered} altered ones"


def claim() -> str:
    """Begin the tag of a version with a fast path; it holds for this version of scikit-learn only."""
    return f"identical under scikit-learn {sklearn.__version__}"


def trusted(model: LoadedModel, tag: str | None, frame: pd.DataFrame) -> FastPath | None:
    """Return the fast path of *model* if its version's *tag* claims it and it is identical on *frame* here and now."""
    if tag is None or not tag.startswith(claim()):
        return None
    try:
        return prove(model, frame, alter=False).fast_path
    except NoFastPath as error:
        LOG.warning("%s: its tag %s does not hold here, the pipeline answers: %s", model.model_id, TAG, error)
        return None


def prove(model: LoadedModel, frame: pd.DataFrame, *, alter: bool = True) -> Proof:
    """Compare the fast path of *model* with its pipeline on *frame*, as single rows and as batches.

    To *alter* is to put, in one column after the other, a missing, unseen, infinite or extreme value; what the
    contract or the pipeline refuses, the fast path must not answer. Raises `NoFastPath`.
    """
    with threadpool_limits(1):  # as in the server, where a matrix product must not depend on free cores
        return _prove(model, frame, alter)


def _prove(model: LoadedModel, frame: pd.DataFrame, alter: bool) -> Proof:
    """Compare all rows, then the altered ones."""
    fast_path, contract = compile_pipeline(model), model.contract
    most = min(MOST_PROVEN, 1 + MOST_CELLS // max(1, len(contract.columns)))
    some = frame.iloc[:: 1 + len(frame) // most]
    values = contract.plain(some).values
    rows = sum(_compare(model, fast_path, contract, batch) for batch in _batches(values, len(some)))
    if rows == 0:
        raise NoFastPath("no row of the holdout passes the signature's check")
    single = {name: column[0] for name, column in values.items()}
    altered = list(_altered(contract, single)) if alter else []
    for start in range(0, len(altered), ALTERED_ROWS):
        _compare(model, fast_path, contract, _joined(altered[start : start + ALTERED_ROWS]))
    return Proof(fast_path, rows, len(altered))


def _batches(values: dict[str, list[Any]], rows: int) -> Iterator[dict[str, list[Any]]]:
    """Cut *rows* rows into single ones, then into batches of several sizes, and leave the rest in one piece."""
    start, sizes = 0, chain(repeat(1, SINGLE_ROWS), cycle(BATCHES))
    while start < rows:
        size = next(sizes) if start < SOME_ROWS else rows
        yield {name: column[start : start + size] for name, column in values.items()}
        start += size


def _altered(contract: Contract, row: dict[str, Any]) -> Iterator[dict[str, list[Any]]]:
    """Alter *row* in one column after the other, like with like, and in all at once."""
    asked = {column.name: ALTERED.get(column.type, ()) for column in contract.columns}
    step = 1 + sum(map(len, asked.values())) * len(asked) // MOST_ALTERED_CELLS
    asked = dict(islice(asked.items(), 0, None, step))
    for number in range(max(map(len, asked.values()))):
        for changed, values in asked.items():
            if number < len(values):
                yield {name: [values[number] if name == changed else given] for name, given in row.items()}
    yield {name: [None] for name in row}


def _joined(rows: list[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Join *rows* of one row each."""
    return {name: [row[name][0] for row in rows] for name in rows[0]}


def _compare(
    model: LoadedModel, fast_path: FastPath, contract: Contract, values: dict[str, list[Any]]
) -> int:
    """Compare on one batch and return how many rows were answered.

    One that is refused is compared in halves, and so is one that differs and is longer than the fast path takes: the
    pipeline may have answered it otherwise for its length alone.
    """
    count = len(next(iter(values.values())))
    rows: Rows | None = None
    try:
        rows = contract.check(Columns(values, count), count)
        expected = model.predict_checked(contract.frame([rows]))
    except (InvalidRequest, ValueError, TypeError, OverflowError) as error:
        if count > 1:
            return sum(_compare(model, fast_path, contract, half) for half in _halves(values, count))
        if rows is not None and fast_path.predict(rows.features, 1) is not None:
            raise NoFastPath(f"it answers what the pipeline refuses: {values}") from error
        return 0
    for start in range(0, count, MOST_ROWS):
        some = {name: column[start : start + MOST_ROWS] for name, column in rows.features.items()}
        answered = expected[start : start + MOST_ROWS]
        found = fast_path.predict(some, len(answered))
        if found is None or _same(found, answered):
            continue
        if count > MOST_ROWS:
            return sum(_compare(model, fast_path, contract, half) for half in _halves(values, count))
        raise NoFastPath(_difference(count, found, answered))
    return count


def _halves(values: dict[str, list[Any]], count: int) -> Iterator[dict[str, list[Any]]]:
    """Cut *values* in two."""
    for part in (slice(0, count // 2), slice(count // 2, count)):
        yield {name: column[part] for name, column in values.items()}


def _same(found: NDArray[np.float64], expected: NDArray[np.float64]) -> bool:
    """Return whether *found* is *expected*, shape and bits."""
    return found.shape == expected.shape and np.array_equal(found, expected, equal_nan=True)


def _difference(rows: int, found: NDArray[np.float64], expected: NDArray[np.float64]) -> str:
    """Describe by how much *found* differs from *expected*."""
    if found.shape != expected.shape:
        return f"its answers have the shape {found.shape}, the pipeline's {expected.shape}"
    return f"its answers to {rows} rows differ by up to {np.nanmax(np.abs(found - expected)):.3g}"
