"""Which columns the predictions of many rows come from: over all of them, and in each slice."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from regrow.base.errors import DataError
from regrow.models.explaining.attributions import Attributions, Explainer, Floats, Method, Scale
from regrow.models.stored import LoadedModel

ROWS = 500
"""Rows that are explained: a mean over them is known to a twentieth of its spread."""
LEAST_ROWS = 10
"""Rows below which a slice is left out."""
MOST_VALUES = 20
"""Values of one slice column that are told apart: the most frequent ones."""


@dataclass(frozen=True)
class SliceSizes:
    """How much each column adds to the predictions of some rows, whatever the sign."""

    column: str | None
    """None: all rows."""
    value: str | None
    rows: int
    sizes: dict[str, float]
    """The mean of the absolute contributions, by column in the order of the whole; of several classes their mean."""

    @property
    def name(self) -> str:
        """The slice in words."""
        return "all rows" if self.column is None else f"{self.column} = {self.value}"


@dataclass(frozen=True)
class Summary:
    """The mean absolute contribution of each column, over all explained rows and by slice."""

    method: Method
    scale: Scale
    remark: str
    slices: tuple[SliceSizes, ...]
    """All rows first; there the columns stand in order, the largest first."""

    def write(self) -> str:
        """Return it as JSON."""
        told = [
            {"column": one.column, "value": one.value, "rows": one.rows, "mean_absolute": one.sizes}
            for one in self.slices
        ]
        head = {"method": self.method, "scale": self.scale, "remark": self.remark}
        return json.dumps(head | {"slices": told}, indent=2)


def summarise(model: LoadedModel, frame: pd.DataFrame, columns: Sequence[str], seed: int = 0) -> Summary:
    """Explain at most `ROWS` of the rows of *frame*, drawn by *seed*, over all and by each value of *columns*.

    Raises `NotExplained` if *model* is not explained, `DataError` if one of *columns* is not there.
    """
    missing = [column for column in columns if column not in frame]
    if missing:
        raise DataError(
            f"evaluation.slices: {', '.join(missing)} not in the data; correct the name, or the source"
        )
    drawn = frame.sample(min(ROWS, len(frame)), random_state=seed)
    found = Explainer(model).explain(model.contract.read(drawn))
    rows, sizes = drawn.iloc[: len(found.values)], np.abs(found.values).mean(axis=2)
    order = np.argsort(-sizes.mean(axis=0), kind="stable")
    slices = [_sizes(found, sizes, order, None, None)]
    for column in columns:
        places = rows.groupby(column, sort=True).indices
        frequent = sorted(places, key=lambda value: -len(places[value]))[:MOST_VALUES]
        slices += [
            _sizes(found, sizes[chosen], order, column, str(value))
            for value, chosen in places.items()
            if value in frequent and len(chosen) >= LEAST_ROWS
        ]
    return Summary(found.method, found.scale, found.remark, tuple(slices))


def _sizes(
    found: Attributions,
    sizes: Floats,
    order: Sequence[int] | np.ndarray,
    column: str | None,
    value: str | None,
) -> SliceSizes:
    """Return the mean of *sizes*, `(rows, columns)`, by column in *order*."""
    means = sizes.mean(axis=0)
    return SliceSizes(
        column, value, len(sizes), {found.columns[place]: float(means[place]) for place in order}
    )
