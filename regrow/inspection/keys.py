"""Which columns of a table date, name and group its rows."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from regrow.base.errors import DataError
from regrow.data.times import parse_times
from regrow.inspection.columns import ColumnFacts

LATER = 0.01
"""Share of dates in the future from which they are no times of events: a run sees none of those rows."""
TIME_NAME = re.compile(
    r"(^|_)(timestamp|datetime|date|time|ts|at|on|day|month|period|when|created|event)($|_)"
)
KEY_NAME = re.compile(r"(^|_)(id|uuid|guid|key|number|nr|no|num|code|ref|reference)$|^id_")
ENTITY_NAME = re.compile(
    r"(^|_)(customer|client|user|account|member|patient|subject|person|individual|employee|machine|device|sensor|vehicle|"
    r"store|shop|merchant|household|company|firm|country|group|engine|unit)(s|_?id|_?no|_?nr|_?number)?$"
)


@dataclass(frozen=True)
class Keys:
    """The columns that date and name a row, each None if the table has none, and what was unsure."""

    timestamp: str | None = None
    row: str | None = None
    """Unique in the table."""
    entity: str | None = None
    """Recurs: whom or what a row is about."""
    unsure: tuple[str, ...] = ()


def find_keys(
    frame: pd.DataFrame, columns: Sequence[ColumnFacts], target: str, partitions: Collection[str] = ()
) -> Keys:
    """Return what dates, names and groups the rows of *frame*, whose columns hold *columns*.

    Those of *partitions* stand in the names of folders alone; such a month dates no row that has a time of its own.
    """
    others = [column for column in columns if column.name != target]
    own = [column for column in others if column.name not in partitions]
    timestamp, unsure_of_time = find_timestamp(frame, own)
    if timestamp is None and len(own) < len(others):
        timestamp, unsure_of_time = find_timestamp(frame, others)
    row, unsure_of_row = _find_row_key(frame, others, timestamp)
    entity, unsure_of_entity = _find_entity(frame, others, row)
    return Keys(timestamp, row, entity, (*unsure_of_time, *unsure_of_row, *unsure_of_entity))


def find_timestamp(frame: pd.DataFrame, columns: Sequence[ColumnFacts]) -> tuple[str | None, list[str]]:
    """Return the column with the event's time: a date in every row, of several the one named so, else the earliest."""
    dates = [column for column in columns if column.holds == "dates"]
    times = {column.name: parsed for column in dates if (parsed := _parse(frame[column.name])) is not None}
    later = [name for name in times if (times[name] > pd.Timestamp.now(tz="UTC")).mean() > LATER]
    if later and len(later) == len(times):
        return None, [f"`{name}` has dates of the future: it is no time of an event" for name in later]
    times = {name: parsed for name, parsed in times.items() if name not in later}
    if not times:
        years = [
            column.name for column in columns if _plain_name(column.name) in {"year", "yr", "date", "time"}
        ]
        gaps = [f"`{column.name}` has dates, but not in every row: it is no timestamp" for column in dates]
        return None, gaps or [
            f"`{name}` is no date, so rows have no time; write dates as 2024-03-25" for name in years
        ]
    ordered = sorted(times, key=lambda name: (not TIME_NAME.search(_plain_name(name)), times[name].mean()))
    if len(ordered) == 1:
        return ordered[0], []
    rest = ", ".join(f"`{name}`" for name in ordered[1:])
    return ordered[0], [f"`{ordered[0]}` is taken for the event's time, and not {rest}"]


def _parse(values: pd.Series) -> pd.Series | None:
    """Return *values* as moments, or None if one of them is missing or none."""
    if values.isna().any():
        return None
    try:
        return parse_times(values, "")
    except DataError:
        return None


def _find_row_key(
    frame: pd.DataFrame, columns: Sequence[ColumnFacts], timestamp: str | None
) -> tuple[str | None, list[str]]:
    """Return the column that names each row, and what is unsure of it."""
    able = [
        column.name for column in columns
        if column.holds in {"whole numbers", "names"} and column.name != timestamp and not column.missing
        and column.distinct > 0.99 * min(len(frame), 100_000) and not frame[column.name].duplicated().any()
    ]  # fmt: skip
    named = [name for name in able if KEY_NAME.search(_plain_name(name))]
    if named:
        rest = [f"`{named[0]}` is taken for the row's key, and not `{name}`" for name in named[1:]]
        return named[0], rest
    words = [
        name for name in able
        if not pd.api.types.is_numeric_dtype(frame[name]) and not frame[name].astype("str").str.contains(" ").any()
    ]  # fmt: skip
    if words:
        return words[0], [f"`{words[0]}` is taken for the row's key: every row has its own value"]
    return None, []


def _find_entity(
    frame: pd.DataFrame, columns: Sequence[ColumnFacts], row: str | None
) -> tuple[str | None, list[str]]:
    """Return the column that names whom a row is about: named so, and each value in more than one row."""
    able = []
    for column in columns:
        name = _plain_name(column.name)
        said = ENTITY_NAME.search(name) or (
            KEY_NAME.search(name) and not re.search(r"(number|num|no|nr|code)$", name)
        )
        if not said or column.name == row or column.holds not in {"whole numbers", "categories", "names"}:
            continue
        distinct = frame[column.name].nunique()
        if column.missing < 0.01 and 10 <= distinct <= len(frame) / 1.2:
            able.append((-distinct, column.name))
    if not able:
        return None, []
    entity = min(able)[1]
    count = frame[entity].nunique()
    return entity, [
        f"`{entity}` recurs ({count:,} of them in {len(frame):,} rows): it is taken for whom a row is about"
    ]


def _plain_name(name: str) -> str:
    """Return *name* in small letters with `_` between its words: `CustomerID` is `customer_id`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")
