"""Read Parquet and Delta Lake through Arrow's datasets: only the columns and the row groups that are wanted."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from regrow.base.errors import DataError
from regrow.data.selection import CHUNK, Opened, Selection, readable
from regrow.data.times import to_microseconds

ROW_GROUPS = 20
"""Row groups of which a sample is read, if there are more."""
INDEX = "__index_level_"
"""What pandas names the rows by when it writes a frame that numbers them itself."""


def open_parquet(path: Path, where: str) -> Opened:
    """Open the Parquet file or folder at *path*; the columns of all its files count, and of folders like `month=3`.

    Raises `DataError` that begins with *where* if it cannot be read.
    """
    with readable(where):
        dataset = _open(path)
        if columns := _columns_of_all_files(dataset, where):
            dataset = _open(path, columns)
    if not dataset.schema.names:
        raise DataError(f"{where}: there is no column in it; name a folder that holds Parquet files")
    return open_dataset(dataset, where)


def open_dataset(dataset: ds.Dataset, where: str) -> Opened:
    """Open *dataset*; an error while it is read begins with *where*."""
    names = [name for name in dataset.schema.names if not name.startswith(INDEX)]
    return Opened(names, partial(_chunks, dataset, names, where), count=dataset.count_rows)


def partitions_of(path: Path) -> list[str]:
    """Return the columns that stand in the names of the folders in *path* alone, such as `month` of `month=3`."""
    first = next(iter(_open(path).get_fragments()), None)
    if first is None:
        return []
    written = first.physical_schema.names
    return [name for name in ds.get_partition_keys(first.partition_expression) if name not in written]


def _open(path: Path, schema: pa.Schema | None = None) -> ds.Dataset:
    """Open the file or folder at *path*; without a *schema* it is that of the first file."""
    partitioning = ds.HivePartitioning.discover(infer_dictionary=True)
    return ds.dataset(path, schema, format="parquet", partitioning=partitioning)


def _columns_of_all_files(dataset: ds.Dataset, where: str) -> pa.Schema | None:
    """Return the columns of all files of *dataset*, if that is more than those of the first one, which Arrow takes."""
    fragments = list(dataset.get_fragments())
    if len(fragments) < 2:
        return None
    schemas = [fragment.physical_schema for fragment in fragments]
    for fragment, schema in zip(fragments, schemas, strict=True):
        for field in schema:
            first = (
                dataset.schema.field(field.name).type if field.name in dataset.schema.names else field.type
            )
            if _is_text(field.type) != _is_text(first) and not pa.types.is_null(field.type):
                raise DataError(
                    f"{where}: {Path(fragment.path).name}: column `{field.name}` is {field.type}, and {first} in the "
                    "first file; write it with one type"
                )
    try:
        whole = pa.unify_schemas([dataset.schema, *schemas], promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        # Arrow may cast one into the other; if not, it says so later.
        return None
    return None if whole == dataset.schema else whole.with_metadata(dataset.schema.metadata)


def _is_text(kind: pa.DataType) -> bool:
    """Return whether an Arrow type is text, in words of its own or numbered ones."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _chunks(
    dataset: ds.Dataset, names: list[str], where: str, selection: Selection
) -> Iterator[pd.DataFrame]:
    """Read what is selected of *dataset*."""
    wanted = [name for name in names if selection.columns is None or name in selection.columns]
    with readable(where):
        within = _within(dataset.schema, selection)
        metadata, empty, most = dataset.schema.metadata, True, selection.most
        spread = most is not None and dataset.count_rows() > most
        for batch in _spread(dataset, wanted, most or 0) if spread else _in_turn(dataset, wanted, within):
            if batch.num_rows:
                empty = False
                yield _to_pandas(pa.Table.from_batches([batch]), metadata, wanted)
        if empty:
            nothing = dataset.scanner(columns=wanted).projected_schema.empty_table()
            yield _to_pandas(nothing, metadata, wanted)


def _in_turn(dataset: ds.Dataset, names: list[str], within: pc.Expression | None) -> Iterator[pa.RecordBatch]:
    """Read the rows *within* a filter, one row group after the other: Arrow's own scanner reads a gigabyte ahead."""
    for fragment in dataset.get_fragments(within):
        for group in fragment.split_by_row_group(within, dataset.schema):
            yield from group.to_batches(
                dataset.schema, columns=names, filter=within, batch_size=CHUNK, batch_readahead=1
            )


def _spread(dataset: ds.Dataset, names: list[str], most: int) -> Iterator[pa.RecordBatch]:
    """Read about *most* rows of *dataset*: of some row groups, first and last among them, every so many rows."""
    groups = [group for fragment in dataset.get_fragments() for group in fragment.split_by_row_group()]
    places = np.unique(np.linspace(0, len(groups) - 1, min(len(groups), ROW_GROUPS)).astype(int))
    rows = sum(group.num_rows for place in places for group in groups[place].row_groups)
    every, seen = max(1, -(-rows // most)), 0
    for place in places:
        for batch in groups[place].to_batches(dataset.schema, columns=names, batch_size=CHUNK):
            kept = pa.array(np.arange(-seen % every, batch.num_rows, every))
            seen += batch.num_rows
            yield batch.take(kept)


def _to_pandas(table: pa.Table, metadata: dict[bytes, bytes] | None, names: list[str]) -> pd.DataFrame:
    """Return *table* as a frame of the columns *names*; what names its rows in pandas is a column like any other."""
    frame = table.replace_schema_metadata(metadata).to_pandas(split_blocks=True)
    named = [name for name in frame.index.names if name in names]
    return (frame.reset_index(named) if named else frame)[names].reset_index(drop=True)


def _within(schema: pa.Schema, selection: Selection) -> pc.Expression | None:
    """Return the filter for the rows of the period, and those without a time; None if Arrow cannot tell.

    It is as coarse as the column, so it may let rows beside the period through.
    """
    name = selection.timestamp
    if name is None or name not in schema.names or not pa.types.is_timestamp(schema.field(name).type):
        return None
    field, kind = pc.field(name), schema.field(name).type
    within = pc.scalar(True)
    if selection.start is not None:
        within &= field >= _moment(selection.start, kind, 0)
    if selection.end is not None:
        within &= field <= _moment(selection.end, kind, 1)
    return within | field.is_null()


def _moment(moment: datetime, kind: Any, more: int) -> pa.Scalar:
    """Return *moment* in the unit of the Arrow type *kind*, rounded down, and *more* units later."""
    count = to_microseconds(moment)
    per_unit = {"s": 1_000_000, "ms": 1_000, "us": 1}.get(kind.unit)
    units = count * 1_000 if per_unit is None else count // per_unit
    return pa.scalar(units + more, pa.int64()).cast(kind)
