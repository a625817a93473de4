"""What is read of a source: some columns, the rows of a period; and how the chunks that it gives become one frame."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from regrow.base.errors import DataError
from regrow.data.compression import BROKEN
from regrow.data.delta import plain_words

CHUNK = 131_072
"""Rows that are read at once."""


@dataclass(frozen=True)
class Selection:
    """The rows and columns that are read of a source."""

    columns: frozenset[str] | None = None
    """None: all. A name that the source lacks is passed over."""
    timestamp: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    """Rows of [start, end) are read, by the column *timestamp*; a source that cannot tell gives more."""
    time_format: str | None = None
    text: frozenset[str] = frozenset()
    """Columns of a CSV file that are text although they look like numbers."""
    most: int | None = None
    """Rows that are read at most, spread over a file; None: all. What is no file gives more."""
    as_of: datetime | None = None
    """The moment by which the labels of a prediction log were known; None: now."""

    def narrow(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return *frame* with the columns that are wanted."""
        if self.columns is None or self.columns.issuperset(frame.columns):
            return frame
        return frame[[name for name in frame.columns if name in self.columns]]


@dataclass(frozen=True)
class Opened:
    """A source that can be read, chunk by chunk."""

    names: list[str] | None
    """Its columns in order; None if only its first chunk shows them."""
    chunks: Callable[[Selection], Iterator[pd.DataFrame]]
    """Reads what is selected, in chunks of at most `CHUNK` rows if the source can; at least one, maybe without rows."""
    untyped: bool = False
    """Whether the types are guessed from the values of each chunk, as of a CSV file."""
    narrows: bool = False
    """Whether a chunk may hold the columns alone that are wanted, and so does not show which there are."""
    count: Callable[[], int] | None = None
    """Counts the rows of a file without reading them; of a CSV file its lines, which may be more."""


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Turn what pandas and Arrow raise on broken files into a `DataError` that begins with *where*."""
    try:
        yield
    # ParserError, EmptyDataError, UnicodeDecodeError and most errors of Arrow are ValueErrors.
    except (*BROKEN, ValueError, pa.ArrowException) as error:
        raise DataError(f"{where}: cannot be read: {plain_words(error)}") from error


def join_chunks(chunks: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join *chunks* of the same columns to one frame; a chunk without a value in a column does not decide its type."""
    frames = list(chunks)
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    if len(filled) == 1:
        return filled[0].reset_index(drop=True)
    pieces = [{name: frame[name] for name in frame.columns} for frame in filled]
    names = list(filled[0].columns)
    frames.clear()
    filled.clear()
    # Column by column, and each piece is let go at once: the whole is in memory once, not twice.
    columns = {name: _join([piece.pop(name) for piece in pieces]) for name in names}
    return pd.DataFrame(columns, copy=False)


class Kinds:
    """What the columns of chunks hold: text, booleans, numbers."""

    def __init__(self, frames: Iterable[pd.DataFrame] = ()) -> None:
        self._found: dict[str, set[str]] = {}
        for frame in frames:
            self.add(frame, frame.columns)

    def add(self, frame: pd.DataFrame, columns: Iterable[str]) -> None:
        """Look at *columns* of one more chunk."""
        for name in columns:
            if name in frame and (kind := _kind(frame[name])):
                self._found.setdefault(name, set()).add(kind)

    @property
    def mixed(self) -> frozenset[str]:
        """The columns that hold text in some chunks and numbers or booleans in others."""
        return frozenset(name for name, found in self._found.items() if len(found) > 1)

    @property
    def text(self) -> frozenset[str]:
        """The columns that hold text in some chunk; others may lack a value of it."""
        return frozenset(name for name, found in self._found.items() if "text" in found)


def _kind(column: pd.Series) -> str:
    """Return what *column* holds: `text`, `boolean`, `number`; empty text if it is something else, or nothing."""
    if column.isna().all():
        return ""
    if isinstance(column.dtype, pd.StringDtype):
        return "text"
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_object_dtype(column.dtype):
        return "boolean"
    return "number" if pd.api.types.is_numeric_dtype(column.dtype) else ""


def _join(pieces: list[pd.Series]) -> pd.Series:
    """Join *pieces* of one column."""
    types = {piece.dtype for piece in pieces}
    if len(types) == 1 and isinstance(pieces[0].dtype, np.dtype):
        return pd.Series(np.concatenate([piece.to_numpy() for piece in pieces]), name=pieces[0].name)
    known = {piece.dtype for piece in pieces if piece.notna().any()}
    if len(known) == 1 and len(types) > 1 and not pd.api.types.is_integer_dtype(kind := known.pop()):
        whole = object if pd.api.types.is_bool_dtype(kind) else kind
        pieces = [piece.astype(whole) for piece in pieces]
    return pd.concat(pieces, ignore_index=True)
