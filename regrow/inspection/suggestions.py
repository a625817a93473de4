"""What a project file should say for a table: split, estimator, metric, expectations, how it is watched."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from regrow.base.errors import DataError
from regrow.base.verdict import count_units
from regrow.data.times import parse_times
from regrow.decisions.splitting import split_rows
from regrow.inspection.columns import ColumnFacts, is_number, plain
from regrow.inspection.table import TableFacts
from regrow.project import (
    Expectation,
    GroupSplit,
    Metric,
    RandomSplit,
    Split,
    StratifiedSplit,
    TimeSplit,
    Unit,
)
from regrow.project.monitoring import LEAST_UNITS

FEWEST = 10
"""Rows that every batch must have at least."""
SMALL = 1000
"""Rows below which a forest learns more than boosted trees."""
MOST_EXPECTATIONS = 20
"""Columns that get expectations of their own: more are slow to test, and nobody reads them."""
MOST_VALUES = 12
LEAST_ROWS_OF_A_SLICE = 50
WINDOWS = (14, 31, 92, 366)
"""Days that a window of the monitoring may have: enough to be units of an interval."""
ROWS_TO_WATCH = 500


@dataclass(frozen=True)
class Suggestion:
    """The choices for one table; durations are written as in the project file."""

    split: Split
    unit: Unit | None
    """What is one observation, if it is not the default."""
    estimator: str
    parameters: dict[str, Any]
    primary: Metric
    metrics: tuple[Metric, ...]
    slices: tuple[str, ...]
    expectations: tuple[Expectation, ...]
    quarantine_limit: float
    label_delay: timedelta
    window: timedelta
    least_rows: int
    """Labelled rows from which performance is judged."""
    tolerance: float
    """Loss of the primary metric that is no alarm."""
    least_labels: int
    unsure: tuple[str, ...]


def suggest(frame: pd.DataFrame, facts: TableFacts) -> Suggestion:
    """Return what fits *frame*, of which *facts* are known."""
    target = facts.target
    usable = frame[frame[target.name].notna() & ~frame[target.name].isin(target.rare)]
    split, unsure = suggest_split(usable, facts)
    unit, doubts = suggest_unit(usable, facts, split)
    unsure += doubts
    forest = facts.whole < SMALL
    kind = "Regressor" if target.predicts == "regression" else "Classifier"
    primary, metrics = suggest_metrics(facts)
    times = parse_times(frame[facts.keys.timestamp], "") if facts.keys.timestamp else None
    delay = suggest_delay(times, frame[target.name])
    window, least_rows = _suggest_window(times, delay, facts.whole, by_day=unit is None)
    aside = 1 - len(usable) / len(frame)
    if facts.keys.timestamp:
        unsure.append(
            f"label_delay: how long after `{facts.keys.timestamp}` is `{target.name}` known? {delay.days}d is assumed"
        )
    return Suggestion(
        split=split,
        unit=unit,
        estimator=f"sklearn.ensemble.{'RandomForest' if forest else 'HistGradientBoosting'}{kind}",
        parameters={"n_estimators": 200, "min_samples_leaf": 3} if forest else {},
        primary=primary,
        metrics=metrics,
        slices=tuple(_slices(usable, facts)),
        expectations=tuple(_expectations(frame, facts)),
        quarantine_limit=min(1.0, round(max(0.1, 1.5 * aside + 0.05), 2)),
        label_delay=delay,
        window=window,
        least_rows=least_rows,
        tolerance=_tolerance(usable, facts),
        least_labels=max(50, facts.whole // 10),
        unsure=tuple(unsure),
    )


def suggest_split(usable: pd.DataFrame, facts: TableFacts) -> tuple[Split, list[str]]:
    """Return the split that is nearest to how the model will be used and keeps every class on both sides."""
    keys, share = facts.keys, 0.3 if facts.rows < 200 else 0.2
    if keys.timestamp:
        wanted: Split = TimeSplit(kind="time", holdout=share)
    elif keys.entity:
        wanted = GroupSplit(kind="group", column=keys.entity, holdout=share)
    elif facts.target.predicts == "regression":
        return RandomSplit(kind="random", holdout=share), []
    else:
        return StratifiedSplit(kind="stratified", holdout=share), []
    if _keeps_classes(usable, wanted, facts):
        return wanted, []
    note = f"a split by {wanted.kind} leaves a class on one side, so rows are drawn at random"
    if facts.target.predicts == "regression":
        return RandomSplit(kind="random", holdout=share), [note]
    return StratifiedSplit(kind="stratified", holdout=share), [note]


def suggest_unit(usable: pd.DataFrame, facts: TableFacts, split: Split) -> tuple[Unit | None, list[str]]:
    """Return what is one observation if the held-out rows lie on too few days to be judged by day, and a word on it."""
    timestamp = facts.keys.timestamp
    if timestamp is None:
        return None, []
    times = parse_times(usable[timestamp], "")
    _, held_out = split_rows(usable.assign(**{timestamp: times}), split, facts.target.name, timestamp, 0)
    days = times.iloc[held_out].dt.floor("D").nunique()
    if days >= LEAST_UNITS:
        return None, []
    unit: Unit = "entity" if facts.keys.entity else "row"
    return unit, [
        f"unit: the held-out rows are of {count_units(days, 'day')}, too few to judge by: each {unit} is taken "
        "as independent; if rows of one day are alike, hold out more of them and leave the line out"
    ]


def _keeps_classes(usable: pd.DataFrame, split: Split, facts: TableFacts) -> bool:
    """Return whether *split* gives both sides rows, and of every class some."""
    target, timestamp = facts.target, facts.keys.timestamp
    if timestamp:
        usable = usable.assign(**{timestamp: parse_times(usable[timestamp], "")})
    try:
        parts = split_rows(usable, split, target.name, timestamp, 0)
    except DataError:
        return False
    if target.predicts == "regression":
        return True
    wanted = usable[target.name].nunique()
    return all(usable[target.name].iloc[part].nunique() == wanted for part in parts)


def suggest_metrics(facts: TableFacts) -> tuple[Metric, tuple[Metric, ...]]:
    """Return the primary metric for the kind of target, then others worth a look."""
    target = facts.target
    if target.predicts == "regression":
        return ("mae", ("rmse", "r2")) if target.heavy_tails else ("rmse", ("mae", "r2"))
    shares = [rows / sum(count for _, count in target.classes) for _, rows in target.classes]
    if target.predicts == "binary":
        rare = min(shares) < 0.05
        return (
            ("average_precision", ("roc_auc", "log_loss"))
            if rare
            else ("roc_auc", ("average_precision", "log_loss"))
        )
    return ("balanced_accuracy" if max(shares) > 0.6 else "accuracy"), ("log_loss", "f1")


def suggest_delay(times: pd.Series | None, target: pd.Series) -> timedelta:
    """Return how long after the event the target is known: so long as the newest rows lack it, in whole days."""
    lacking = target.isna()
    if times is None or not lacking.any():
        return timedelta(0)
    known = times[~lacking].max()
    if (times[lacking] > known).mean() < 0.9:
        return timedelta(0)
    return timedelta(days=math.ceil((times.max() - known) / timedelta(days=1)))


def _suggest_window(
    times: pd.Series | None, delay: timedelta, rows: int, *, by_day: bool
) -> tuple[timedelta, int]:
    """Return how far back the monitoring looks, and the labelled rows that it needs, if *rows* have such *times*.

    With *by_day* it holds as many days with rows as performance is judged on.
    """
    if times is None:
        return timedelta(days=WINDOWS[0]), ROWS_TO_WATCH
    days = max(1.0, (times.max() - times.min()) / timedelta(days=1))
    held = times.dt.floor("D").nunique() / math.ceil(days + 1) if by_day else 1.0
    least = max(2 * delay.days + 1, math.ceil(LEAST_UNITS / held))
    longer = [window for window in WINDOWS if window >= least] or [max(3 * delay.days, least)]
    enough = [window for window in longer if window * rows / days >= ROWS_TO_WATCH]
    window = enough[0] if enough else longer[-1]
    labelled = (window - delay.days) * rows / days
    return timedelta(days=window), int(np.clip(labelled / 2, 50, ROWS_TO_WATCH))


def _tolerance(usable: pd.DataFrame, facts: TableFacts) -> float:
    """Return the loss that is no alarm: 0.03 of a metric up to 1, of an error a twentieth of the target's spread."""
    if facts.target.predicts != "regression":
        return 0.03
    spread = float(usable[facts.target.name].astype("float64").std())
    return float(f"{spread / 20:.2g}") if np.isfinite(spread) else 0.03


def _slices(usable: pd.DataFrame, facts: TableFacts) -> Iterator[str]:
    """Yield at most two columns with a few values that have rows enough to be measured apart."""
    found = 0
    for column in facts.features:
        if found < 2 and column.holds in {"categories", "true or false"} and column.distinct <= 8:
            counts = usable[column.name].value_counts()
            if len(counts) > 1 and counts.min() * 0.2 >= LEAST_ROWS_OF_A_SLICE:
                found += 1
                yield column.name


def _expectations(frame: pd.DataFrame, facts: TableFacts) -> Iterator[Expectation]:
    """Yield what the table itself lets one expect of the next one: with room, so that a common month passes."""
    keys, target = facts.keys, facts.target
    yield Expectation(
        expect="expect_table_row_count_to_be_between", arguments={"min_value": max(FEWEST, facts.whole // 10)}
    )
    if keys.row:
        yield Expectation(expect="expect_column_values_to_be_unique", arguments={"column": keys.row})
    yield Expectation(
        expect="expect_column_values_to_not_be_null",
        arguments={"column": target.name},
        on_failure="quarantine",
    )
    if target.rare:
        kept = [label for label, _ in target.classes if label not in target.rare]
        yield Expectation(
            expect="expect_column_values_to_be_in_set",
            arguments={"column": target.name, "value_set": kept},
            on_failure="quarantine",
        )
    for column in facts.features[:MOST_EXPECTATIONS]:
        yield from _expect_of(frame[column.name], column)


def _expect_of(values: pd.Series, column: ColumnFacts) -> Iterator[Expectation]:
    """Yield what may be expected of one feature."""
    name = column.name
    if not column.missing:
        yield Expectation(
            expect="expect_column_values_to_not_be_null", arguments={"column": name, "mostly": 0.9}
        )
    if column.holds == "categories" and column.distinct <= MOST_VALUES:
        known = sorted(map(plain, values.dropna().unique()), key=str)
        if len(known) <= MOST_VALUES:
            yield Expectation(
                expect="expect_column_values_to_be_in_set",
                arguments={"column": name, "value_set": known, "mostly": 0.9},
            )
    elif is_number(values) and column.distinct > 2 and (bounds := _range(values)):
        low, high = bounds
        yield Expectation(
            expect="expect_column_values_to_be_between",
            arguments={"column": name, "min_value": low, "max_value": high},
            on_failure="quarantine",
        )


def _range(values: pd.Series) -> tuple[float, float] | None:
    """Return the range of *values* with its own width of room on both sides; what is never negative stays so."""
    numbers = values.dropna().to_numpy(dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or np.abs(numbers).max() > 2**53:
        return None
    least, most = float(numbers.min()), float(numbers.max())
    low, high = least - (most - least), most + (most - least)
    return (0 if least >= 0 else _round(low, math.floor)), _round(high, math.ceil)


def _round(value: float, outwards: Any) -> float:
    """Return *value* with two digits, rounded *outwards*; whole numbers whole."""
    if value == 0:
        return 0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    rounded = float(f"{outwards(value / step) * step:.3g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
