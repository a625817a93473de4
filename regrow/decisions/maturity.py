"""How old rows must be for nearly all of their labels to have come, and whether those that should have did."""

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]
LEAST_ROWS, PARTS = 50, 100
"""Rows of about one age that are looked at together: those of one moment if they are so many, else a part of all."""


def open_below(ages: Seconds, labelled: NDArray[np.bool_], share: float) -> float | None:
    """Return the age, in seconds, up to which rows still wait for labels; 0 if none does, None if no row has one.

    *ages* are the rows' times since their event, *labelled* says which have a label. Rows of about one age have
    matured if *share* of the labels have come that will ever come, of which all older rows tell how many; a standard
    error less will do, or chance would hold them up. Returned is the age of the oldest row that is younger than the
    first that have matured. What matters is what has a label now: history that was labelled at once has matured.
    """
    if not labelled.any():
        return None
    order = np.argsort(ages, kind="stable")
    ages, known = ages[order], np.append(0, np.cumsum(labelled[order]))
    rows = len(ages)
    starts = np.flatnonzero(np.append(True, ages[1:] > ages[:-1]))
    reach = ages[np.minimum(starts + max(LEAST_ROWS, rows // PARTS), rows - 1)]
    moments = np.append(starts[1:], rows)
    ends = np.where(
        moments - starts >= LEAST_ROWS, moments, np.maximum(np.searchsorted(ages, reach), moments)
    )
    here = (known[ends] - known[starts]) / (ends - starts)
    older = (known[-1] - known[starts]) / (rows - starts)
    error = np.sqrt(np.maximum(here, 1 / (ends - starts)) * (1 - here) / (ends - starts))
    first = starts[np.argmax((here + error >= share * older) & (older > 0))]
    return float(ages[first - 1]) if first else 0.0


def are_late(labels: int, unlabelled: int, earlier: int, waited: timedelta, length: timedelta) -> bool:
    """Return whether labels that used to come have stopped.

    *labels* and *unlabelled* count the rows of the newest window of *length* that should have their label, *earlier*
    the labels of the windows before it, *waited* is how much further back than the stated delay that window had to
    be looked for. Without a label before it none is late: perhaps none ever comes.
    """
    if waited > length:
        return labels + earlier > 0
    return bool(earlier and unlabelled and not labels)
