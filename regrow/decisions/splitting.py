"""Which rows train and which are held out: rules that a training, a check of the data and `regrow init` share."""

from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_hashable
from sklearn.model_selection import train_test_split

from regrow.base.errors import DataError
from regrow.data.sources import as_names
from regrow.decisions.rollout.assignment import position
from regrow.project import Data, GroupSplit, Split, StratifiedSplit, TimeSplit

Rows = NDArray[np.intp]


def part_rows(
    frame: pd.DataFrame, data: Data, seed: int, within: timedelta | None = None
) -> tuple[Rows, Rows]:
    """Split *frame* as *data* says; return what `split_rows` does.

    Of a time split the held-out share is that of the rows *within* so long before the newest one; None: of all.
    Raises `DataError` also if the target does not do, in all rows or in those that train.
    """
    check_target(frame, data.target)
    training, holdout = split_rows(frame, data.splitting, data.target, data.timestamp, seed, within)
    check_target(frame[[data.target]].iloc[training], data.target)
    return training, holdout


def split_rows(
    frame: pd.DataFrame,
    splitting: Split,
    target: str,
    timestamp: str | None,
    seed: int,
    within: timedelta | None = None,
) -> tuple[Rows, Rows]:
    """Return the positions of the training and of the holdout rows: disjoint, together all, the same for one *seed*.

    A time split never puts rows of one moment on both sides. Raises `DataError` if a part would be empty.
    """
    positions = np.arange(len(frame))
    try:
        match splitting:
            case TimeSplit():
                parts = _split_time(frame[str(timestamp)], splitting.holdout, within)
            case GroupSplit():
                parts = _split_groups(_column(frame, splitting.column), splitting.holdout, seed)
            case _:
                classes = frame[target] if isinstance(splitting, StratifiedSplit) else None
                parts = train_test_split(
                    positions, test_size=splitting.holdout, random_state=seed, stratify=classes
                )
    except ValueError as error:
        raise DataError(f"{len(frame)} rows cannot be split by `{splitting.kind}`: {error}") from error
    training, holdout = (np.sort(part).astype(np.intp) for part in parts)
    if not len(training) or not len(holdout):
        raise DataError(
            f"{len(frame)} rows split by `{splitting.kind}` leave {len(training)} for training and "
            f"{len(holdout)} held out; widen training.window or change data.split.holdout"
        )
    return training, holdout


def check_target(frame: pd.DataFrame, target: str) -> None:
    """Raise `DataError` if *target* is unknown or infinite in a row, holds lists, or is the same in all rows."""
    values, rows = frame[target], len(frame)
    missing = int(values.isna().sum())
    if missing:
        raise DataError(
            f"column `{target}`: {missing} of {rows} rows have no target; quarantine them by "
            "expect_column_values_to_not_be_null with `on_failure: quarantine`"
        )
    if pd.api.types.is_float_dtype(values):
        infinite = np.isinf(values.to_numpy("float64"))
        if infinite.any():
            raise DataError(
                f"column `{target}`: {infinite.sum()} of {rows} rows are infinite, the first is row "
                f"{infinite.argmax()}; quarantine them by expect_column_values_to_be_between with "
                "`on_failure: quarantine`, or correct the source"
            )
    if rows and not is_hashable(values.iloc[0]):
        kind = type(values.iloc[0]).__name__
        raise DataError(f"column `{target}`: holds {kind}, not single values; take one of it in the source")
    if values.nunique() < 2:
        raise DataError(
            f"column `{target}`: every one of {rows} rows is {values.tolist()[0]!r}; "
            "a model needs at least two values: widen training.window"
        )


def _split_time(times: pd.Series, holdout: float | timedelta, within: timedelta | None) -> tuple[Rows, Rows]:
    """Hold out the newest rows, cut between two moments.

    Those of a time, or about a share of all, or of those *within* a time.
    """
    ordered = times.sort_values()
    if isinstance(holdout, timedelta):
        first = ordered.iloc[-1] - holdout
    else:
        older = 0 if within is None else int((ordered < ordered.iloc[-1] - within).sum())
        first = ordered.iloc[min(older + int((len(ordered) - older) * (1 - holdout)), len(ordered) - 1)]
    newest = (times >= first).to_numpy(np.bool_)
    return np.flatnonzero(~newest), np.flatnonzero(newest)


def _split_groups(groups: pd.Series, holdout: float, seed: int) -> tuple[Rows, Rows]:
    """Hold out whole groups: each by a hash of its name and *seed*, so that a new group moves no other one over.

    Rows without a group are one group. About the share *holdout* of the groups is held out, however many rows each
    has. Raises `ValueError` if that leaves a side empty.
    """
    codes, names = pd.factorize(as_names(groups))
    held = np.array([position(f"split/{seed}", name) < holdout for name in names], dtype=bool)
    if held.all() or not held.any():
        count = f"{len(names)} group{'' if len(names) == 1 else 's'} of column `{groups.name}`"
        raise ValueError(
            f"with seed {seed} and holdout {holdout:g} all of the {count} fall on one side; "
            "bring rows of more groups, or change training.seed or data.split.holdout"
        )
    return np.flatnonzero(~held[codes]), np.flatnonzero(held[codes])


def _column(frame: pd.DataFrame, column: str) -> pd.Series:
    if column not in frame.columns:
        raise DataError(f"data.split.column: the data has no column `{column}`")
    return frame[column]
