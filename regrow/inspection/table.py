"""A table at a glance: its target, its keys, what each column holds, and which columns a model should not see."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from regrow.base.errors import DataError
from regrow.inspection.columns import INFINITE, SAMPLE, ColumnFacts, describe_columns, plain
from regrow.inspection.keys import TIME_NAME, Keys, find_keys
from regrow.inspection.leakage import ROWS, find_shadows
from regrow.project import CsvSource
from regrow.project.data import named_alike

Predicts = Literal["binary", "multiclass", "regression"]
MOST_CLASSES = 50
FEWEST_ROWS = 20
COUNTED = 200
"""Rows from which a column that counts them is no feature: sixty years in a row may be one."""
"""Rows below which nothing can be learnt and held out."""
PARTITION = "it stands in the names of folders alone; write it into the files if a served row will have it"
"""Why a column of a partitioned folder is no feature."""
RARE = 5
"""Rows below which a class cannot be learnt, held out and measured."""


@dataclass(frozen=True)
class TargetFacts:
    """The column to predict: as what, its classes with their rows, and how many rows lack it."""

    name: str
    predicts: Predicts
    classes: tuple[tuple[Any, int], ...]
    """The most frequent first; empty for a regression."""
    missing: int
    heavy_tails: bool = False
    """Whether a few rows are so large that squared errors would be theirs alone."""

    @property
    def rare(self) -> tuple[Any, ...]:
        """The classes that are too rare to be learnt."""
        return tuple(label for label, rows in self.classes if rows < RARE)


@dataclass(frozen=True)
class TableFacts:
    """What a table of *rows* rows shows of itself."""

    rows: int
    """Rows that were looked at."""
    whole: int
    """Rows of the table; of a large CSV file its lines."""
    target: TargetFacts
    keys: Keys
    columns: tuple[ColumnFacts, ...]
    left_out: dict[str, str]
    """The columns that a model should not see, each with the reason; keys and target are not among them."""
    unsure: tuple[str, ...]
    """What a person should look at, in a line each."""

    @property
    def features(self) -> tuple[ColumnFacts, ...]:
        """The columns that a model should see."""
        used = {self.target.name, self.keys.timestamp, self.keys.row, self.keys.entity, *self.left_out}
        return tuple(column for column in self.columns if column.name not in used)

    @property
    def looked_at(self) -> str:
        """How much of a large table was looked at, in words; empty if all of it was."""
        spread = f"{self.rows:,} of them are read, from all parts" if self.whole > self.rows else ""
        sampled = f"types and values by {SAMPLE:,} of {self.rows:,} rows, leaks by {ROWS:,}"
        return "; ".join(filter(None, (spread, sampled if self.rows > SAMPLE else "")))


def inspect_table(
    frame: pd.DataFrame,
    target: str,
    place: str,
    source: CsvSource | None = None,
    partitions: Collection[str] = (),
    whole: int | None = None,
) -> TableFacts:
    """Return what *frame*, read from *place*, shows of itself if *target* is to be predicted.

    *source* is the CSV file that it was read from, if it was one; text in it that should be something else is no
    feature until it is read so.
    *partitions* are the columns that stand in the names of folders alone. *whole* is how many rows the table has, if
    that is more than those of *frame*.

    Raises `DataError` if the target is not there or cannot be predicted, or no column is left to predict it by.
    """
    _check_table(frame, target, place)
    columns = describe_columns(frame, source)
    aim, unsure_of_target = describe_target(frame[target], columns, place)
    keys = find_keys(frame, columns, target, partitions)
    named = {target, keys.timestamp, keys.row, keys.entity}
    note = next(column.note for column in columns if column.name == target)
    if source is not None and note:
        raise DataError(f"{place}: --target {target}: {note}")
    left_out = {
        one.name: reason
        for one in columns
        if one.name not in named and (reason := PARTITION if one.name in partitions else why_left_out(one))
    }
    left_out |= {
        one.name: f"it counts the rows; if it names them in all tables to come, write `id: {one.name}`"
        for one in columns
        if one.name not in named | set(left_out) and _counts_rows(frame[one.name], whole or len(frame))
    }
    able = [column.name for column in columns if column.name not in named | set(left_out)]
    shadows = {
        one.column: one.words
        for one in find_shadows(frame[able], frame[target], aim.predicts != "regression")
    }
    unsure_of_key = (
        [f"`{keys.row}` is unique in the rows that were read; `regrow check --data` looks at all"]
        if keys.row and (whole or 0) > len(frame)
        else []
    )
    leaks = [f"`{name}` is left out: {why}" for name, why in shadows.items()]
    facts = TableFacts(
        len(frame), whole or len(frame), aim, keys, columns, left_out | shadows,
        (*unsure_of_target, *unsure_of_key, *keys.unsure, *leaks),
    )  # fmt: skip
    if not facts.features:
        told = (
            "; ".join(f"`{name}`: {why}" for name, why in facts.left_out.items())
            or "there is no other column"
        )
        raise DataError(f"{place}: no column is left to predict `{target}` by: {told}")
    return facts


def _counts_rows(values: pd.Series, whole: int) -> bool:
    """Return whether *values* are nearly consecutive whole numbers, each once: no feature of *whole* rows is.

    Whether they number the rows of this file or name them for ever, nobody can see.
    """
    if len(values) < COUNTED or not pd.api.types.is_integer_dtype(values) or values.isna().any():
        return False
    if TIME_NAME.search(str(values.name).lower()) or values.duplicated().any():
        return False
    return int(values.max()) - int(values.min()) < 1.5 * whole


def _check_table(frame: pd.DataFrame, target: str, place: str) -> None:
    """Raise `DataError` if *frame* lacks the *target*, has too few rows, or two columns that no log can hold."""
    if target not in frame:
        near = [str(name) for name in frame if str(name).lower() == target.lower()]
        has = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(map(str, frame.columns[:20]))}"
        raise DataError(f"{place}: --target {target}: there is no such column; {has}")
    if len(frame) < FEWEST_ROWS:
        raise DataError(f"{place}: {len(frame)} rows are too few to learn from; bring {FEWEST_ROWS} or more")
    if alike := named_alike(map(str, frame.columns)):
        raise DataError(
            f"{place}: the columns `{alike[0]}` and `{alike[1]}` differ in capitals alone, and the prediction log "
            "takes them for one; rename one in the table"
        )


def describe_target(
    values: pd.Series, columns: Sequence[ColumnFacts], place: str
) -> tuple[TargetFacts, list[str]]:
    """Return what *values*, the target, are, and what is unsure of it; raises `DataError` if no model predicts them."""
    facts = next(column for column in columns if column.name == values.name)
    if facts.note.startswith(INFINITE):
        raise DataError(f"{place}: --target {facts.name}: {facts.note}")
    name, missing, present = facts.name, int(values.isna().sum()), values.dropna()
    where = f"{place}: --target {name}"
    if facts.holds in {"nothing", "one value"}:
        raise DataError(
            f"{where}: it holds {facts.holds} in all rows; a model needs two or more to tell apart"
        )
    if facts.holds in {"no single values", "dates", "free text", "row numbers"}:
        raise DataError(f"{where}: it holds {facts.holds}; name a column with classes or numbers")
    counts = present.value_counts()
    few = facts.holds == "whole numbers" and 2 < len(counts) <= 10 and int(counts.min()) >= RARE
    if facts.holds in {"categories", "names", "true or false"} or len(counts) == 2 or few:
        if len(counts) > MOST_CLASSES:
            told = facts.note or f"it holds {len(counts):,} different texts; name a column with fewer classes"
            raise DataError(f"{where}: {told}")
        classes = tuple((plain(label), int(count)) for label, count in counts.items())
        unsure = [
            f"`{name}` has {len(counts)} whole numbers: taken for classes; name a regressor if they are amounts"
        ]
        predicts = "binary" if len(counts) == 2 else "multiclass"
        return TargetFacts(name, predicts, classes, missing), unsure if few and predicts != "binary" else []
    return TargetFacts(name, "regression", (), missing, _has_heavy_tails(present)), []


def _has_heavy_tails(present: pd.Series) -> bool:
    """Return whether a few of *present* are so large that most of the variance is theirs."""
    numbers = present.to_numpy(dtype=np.float64)
    variance = numbers.var()
    return bool(variance and ((numbers - numbers.mean()) ** 4).mean() > 13 * variance**2)


def why_left_out(column: ColumnFacts) -> str:
    """Return why a model should not see *column*; empty if it should."""
    if column.note:
        return column.note
    reasons: dict[str, str] = {
        "nothing": "no row has a value",
        "one value": "every row has the same value",
        "row numbers": "it only counts the rows",
        "names": "nearly every row has a value of its own",
        "free text": "free text; `training: { preprocessing: { words: … } }` makes features of its words",
        "dates": "a date; make numbers of it in the source (days since, weekday)",
    }
    return reasons.get(column.holds, "")
