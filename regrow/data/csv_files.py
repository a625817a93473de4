"""Read CSV files, chunk by chunk, by pandas' parser: its types and its exact floats are what models were trained on."""

import csv
import logging
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache, partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regrow.base.errors import DataError, ProjectError
from regrow.data.compression import check_compression, count_lines
from regrow.data.selection import CHUNK, Opened, Selection, readable
from regrow.data.times import is_strptime, parse_times
from regrow.project import CsvSource

ROW_NUMBERS = "Unnamed: 0"
"""The name that pandas gives to a first column without one."""
CURRENCY = r"(?:[$€£¥₹]|[A-Z]{3})?"
logger = logging.getLogger("regrow.data")


def open_csv(source: CsvSource, path: Path, where: str, naming: Collection[str] = ()) -> Opened:
    """Open the CSV file at *path*; *where* is the key of *source* in the project file.

    Of the columns *naming* a row, those whose digits begin with zeros are text: row 007 is not row 7.
    Raises `DataError` if the first line cannot be read or leaves a column without a name, `ProjectError` if the
    separator is no regular expression.
    """
    options, place = _options(source, where), f"{where}.path: {path}"
    check_compression(path, place)
    as_text = _options(source, where, dtype=str, keep_default_na=False)
    with _parsing(place, where):
        header = pd.read_csv(path, header=None, nrows=1, **as_text)
        names = [str(name) for name in header.iloc[0]]
        if names[0] == "":
            first = pd.read_csv(path, nrows=CHUNK, index_col=False, **options)[ROW_NUMBERS]
            if not (pd.api.types.is_integer_dtype(first) and first.is_unique):
                raise _nameless(place, 0)
            names[0] = ROW_NUMBERS
            logger.warning("%s: its first column has no name and holds row numbers: it is left out", place)
    if "" in names:
        raise _nameless(place, names.index(""))
    for key, named in (("text", source.text), ("numbers", source.numbers), ("dates", tuple(source.dates))):
        if missing := [name for name in named if name not in names]:
            raise DataError(
                f"{where}.{key}: the file has no column `{missing[0]}`; it has {', '.join(names)}"
            )
    shown = names[names[0] == ROW_NUMBERS :]
    if padded := find_padded(source, path, where, [name for name in naming if name in shown]):
        source = source.model_copy(update={"text": (*source.text, *padded)})
    count = cache(lambda: max(0, count_lines(path, place) - 1))
    chunks = partial(_chunks, source, path, where, options, shown, count)
    return Opened(shown, chunks, untyped=True, count=count)


def _left_out(rows: int, most: int) -> Callable[[int], bool] | None:
    """Return which lines are left out if of *rows* rows *most* are read: half in a row, then every so many."""
    if rows <= most:
        return None
    head = most // 2
    every = -(-(rows - head) // (most - head))
    return lambda line: line > head and (line - head) % every != 0


def find_padded(source: CsvSource, path: Path, where: str, columns: Collection[str]) -> tuple[str, ...]:
    """Return those of *columns* in whose first rows a whole number begins with a zero, such as 007 or 01067."""
    columns = [name for name in columns if name not in source.text]
    if not columns:
        return ()
    return _padded(_read_begin(source, path, where, columns))


def find_codes(source: CsvSource, path: Path, where: str) -> tuple[str, ...]:
    """Return the columns that hold digits alone in the first rows, some beginning with a zero, such as 01067."""
    frame = _read_begin(source, path, where)
    return tuple(name for name in _padded(frame) if frame[name].dropna().str.fullmatch(r"\d+").all())


def _padded(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns of *frame*, which is text, in which digits begin with a zero."""
    return tuple(str(name) for name in frame if frame[name].str.fullmatch(r"0\d+").any())


def _read_begin(
    source: CsvSource, path: Path, where: str, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Read *columns* of the first rows, default all, as they are written."""
    options = _options(source, where, dtype=str, usecols=columns)
    with _parsing(f"{where}.path: {path}", where):
        return pd.read_csv(path, nrows=CHUNK, index_col=False, **options)


def guess_again(frame: pd.DataFrame, columns: list[str], source: CsvSource, where: str) -> pd.DataFrame:
    """Guess the types of *columns* of *frame*, which are text, anew by the values that it holds."""
    written = source.model_copy(update={"separator": ",", "quote": '"', "escape": None})
    options = _options(written, where, skip_blank_lines=False)
    guessed = {}
    for name in columns:
        column = StringIO(frame[[name]].to_csv(index=False))
        guessed[name] = pd.read_csv(column, **options)[name]
    return frame.assign(**guessed)


def _options(source: CsvSource, where: str, **more: Any) -> dict[str, Any]:
    """Return what tells pandas how *source* is written, and *more*."""
    simple = len(source.separator) == 1
    try:
        re.compile(re.escape(source.separator) if simple else source.separator)
    except re.error as error:
        raise ProjectError(
            f"{where}.separator: `{source.separator}` is no regular expression: {error}"
        ) from error
    return {
        "sep": source.separator,
        "engine": "c" if simple else "python",
        "encoding": source.encoding,
        "decimal": source.decimal,
        "thousands": source.thousands,
        "quotechar": source.quote or '"',
        "quoting": csv.QUOTE_MINIMAL if source.quote else csv.QUOTE_NONE,
        "escapechar": source.escape,
        "na_values": list(source.null_values),
        # As Python and the model server read a number; only the fast parser can.
        **({"float_precision": "round_trip", "low_memory": False} if simple else {}),
        **more,
    }


@contextmanager
def _parsing(place: str, where: str) -> Iterator[None]:
    """Turn what pandas raises into errors that name the file, and the option that may help."""
    with readable(place), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            yield
        except pd.errors.ParserWarning as error:
            raise DataError(
                f"{place}: a row has more fields than its header; name every column in the first line"
            ) from error
        except UnicodeDecodeError as error:
            raise DataError(
                f"{place}: cannot be read: {error}; name its encoding: `encoding: latin-1` under {where}"
            ) from error


def _nameless(place: str, position: int) -> DataError:
    """Make the error of a column without a name."""
    return DataError(f"{place}: column {position + 1} has no name; name every column in the first line")


def _chunks(
    source: CsvSource,
    path: Path,
    where: str,
    options: dict[str, Any],
    names: list[str],
    count: Callable[[], int],
    selection: Selection,
) -> Iterator[pd.DataFrame]:
    """Read what is selected; every row that is read is parsed whole, or one that is too long would go unseen."""
    text = {*source.text, *source.numbers, *selection.text}
    text |= {name for name, written in source.dates.items() if is_strptime(written)}
    if selection.timestamp is not None and is_strptime(selection.time_format):
        text.add(selection.timestamp)
    place = f"{where}.path: {path}"
    with _parsing(place, where):
        skip = None if selection.most is None else _left_out(count(), selection.most)
        reader = pd.read_csv(
            path, index_col=False, dtype=dict.fromkeys(text, "str"), chunksize=CHUNK, skiprows=skip, **options
        )
    with reader:
        while True:
            try:
                with _parsing(place, where):
                    chunk = next(reader)
            except StopIteration:
                return
            yield convert(selection.narrow(chunk[names]), source, where)


def convert(frame: pd.DataFrame, source: CsvSource, where: str) -> pd.DataFrame:
    """Read the columns of *frame* that the file says are amounts or dates."""
    amounts = {
        name: read_amounts(frame[name], source, f"{where}.numbers")
        for name in source.numbers
        if name in frame
    }
    dates = {
        name: parse_times(frame[name], f"{where}.dates", written, gaps=True)
        for name, written in source.dates.items()
        if name in frame
    }
    return frame.assign(**amounts, **dates) if amounts or dates else frame


def read_amounts(values: pd.Series, source: CsvSource, where: str) -> pd.Series:
    """Read *values* such as `$1,200.50`, `(300)` and `12%` as numbers; a missing one stays so.

    Raises `DataError` that begins with *where* and names the first row whose value is no amount.
    """
    codes, found = pd.factorize(values, use_na_sentinel=True)
    pattern = amount_pattern(source.decimal, source.thousands)
    numbers = np.array([*(_amount(str(value), pattern, source.decimal) for value in found), np.nan])
    bad = (codes >= 0) & np.isnan(numbers[codes])
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"{where}: column `{values.name}`, row {values.index[row]}: {values.iloc[row]!r} is no amount "
            f"({int(bad.sum())} such rows); correct it, or name it under null_values"
        )
    return pd.Series(numbers[codes], values.index, name=values.name)


def amount_pattern(decimal: str, thousands: str | None) -> re.Pattern[str]:
    """Return the pattern of an amount with its currency, or of a share in percent, written with these characters."""
    point = re.escape(decimal)
    group = f"[{re.escape(thousands or (',' if decimal == '.' else '.'))}'\u00a0\u202f ]"
    digits = rf"\d{{1,3}}(?:{group}\d{{3}})+(?:{point}\d+)?|\d+(?:{point}\d*)?|{point}\d+"
    return re.compile(
        rf"(?P<minus>[-+(]?)\s*{CURRENCY}\s*(?P<sign>[-+]?)(?P<digits>{digits})\s*{CURRENCY}(?P<share>%?)(?P<end>\)?)"
    )


def _amount(text: str, pattern: re.Pattern[str], decimal: str) -> float:
    """Read the amount *text*; NaN if it is none."""
    found = pattern.fullmatch(text.strip())
    if found is None or (found["minus"] == "(") != bool(found["end"]):
        return np.nan
    digits = re.sub(rf"[^\d{re.escape(decimal)}]", "", found["digits"]).replace(decimal, ".")
    number = float(digits) / (100 if found["share"] else 1)
    return -number if "-" in found["minus"] + found["sign"] or found["end"] else number
