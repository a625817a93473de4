"""The rows of a request that one version predicts."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regrow.models.contract import Rows
from regrow.serving.routes import Served

RAISED, TIMEOUT, NOT_FINITE = "raised", "timeout", "not finite"
"""Why the challenger did not answer a row."""


@dataclass(eq=False, slots=True)
class Part:
    """Rows for one version, with what the prediction log says of them."""

    served: Served | None
    """None for the shadow of a challenger that cannot be loaded: its rows are logged as failed."""
    version: int
    role: str
    rows: Rows
    """The rows as the champion's signature checked them; so they are logged."""
    fitted: Rows
    """The rows as *served* takes them."""
    types: dict[str, str]
    identifiers: list[str]
    """The rows' prediction ids; of a shadow those of the rows that the client got."""
    arrived: float
    """When the request arrived, by `time.perf_counter`."""
    rollout: str | None = None
    stage: int | None = None
    fallback: str | None = None
    logged: bool = True
    must_be_finite: bool = False
    """Whether a row without a finite prediction is left to the champion."""
    answer: "asyncio.Future[list[Any]] | None" = None
    """A value for each row; None where it is left to the champion."""
    claim: threading.Lock = field(default_factory=threading.Lock)
    """Taken by whoever ends the part: the thread that predicted it, or the clock; so no row is logged twice."""


def group(first: Part, take: Callable[[], Part | None], most: int) -> tuple[list[Part], Part | None]:
    """Join *first* and what *take* gives while one version answers it, up to *most* rows; gives the one left over."""
    parts, rows = [first], first.rows.count
    while (part := take()) is not None:
        rows += part.rows.count
        if part.served is not first.served or rows > most:
            return parts, part
        parts.append(part)
    return parts, None


def solve(served: Served, parts: Sequence[Part]) -> list[tuple[Part, "list[Any] | Exception"]]:
    """Predict *parts* together by *served*: a value for each row, or what it raised.

    Where they fail together each half is tried alone, so that no request spoils another.
    """
    try:
        predictions = served.predict([part.fitted for part in parts])
    except Exception as error:  # noqa: BLE001  (a stored model may raise anything; whoever asked is told)
        if len(parts) == 1:
            return [(parts[0], error)]
        middle = len(parts) // 2
        return solve(served, parts[:middle]) + solve(served, parts[middle:])
    solved, start = [], 0
    values = predictions.tolist()
    lacking = _not_finite(predictions) if any(part.must_be_finite for part in parts) else ()
    for row in lacking:
        values[row] = None
    for part in parts:
        solved.append((part, values[start : start + part.rows.count]))
        start += part.rows.count
    return solved


def _not_finite(predictions: "np.typing.NDArray[np.float64]") -> list[int]:
    """List the rows with a prediction that is NaN or infinite."""
    finite = np.isfinite(predictions)
    if finite.all():
        return []
    return np.flatnonzero(~finite.reshape(len(predictions), -1).all(axis=1)).tolist()
