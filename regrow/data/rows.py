"""What names a row of a source: its key, its entity, its event time, and the ids of its predictions.

The key is `data.id`, which is unique; without one it is the entity, or else a hash of the features, together with the
event time. Rows that are equal in that are told apart by their place among equals.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring_ascii

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from regrow.base.errors import DataError
from regrow.data.known_rows import Recurrence
from regrow.data.snapshots import Snapshot
from regrow.data.sources import as_names
from regrow.data.times import as_utc, in_utc
from regrow.project import Data, Project


def check_row_keys(project: Project, frame: pd.DataFrame) -> None:
    """Raise `DataError` if a value of `data.id` stands in more than one row of *frame*; a missing one names no row."""
    column = project.data.id
    if column is None:
        return
    names = frame[column]
    again = names.notna() & names.duplicated()
    if not again.any():
        return
    example = names[again].iloc[0]
    remedy = f"name it `data.entity` (`entity: {column}`)" if project.data.entity is None else "correct it"
    raise DataError(
        f"{project.path}: data.id: `{column}` recurs {again.sum()} times: "
        f"{str(example)!r} stands in {(names == example).sum()} of {len(frame)} rows; data.id is unique: {remedy}, "
        "or name a column that has a value of its own in each row"
    )


@dataclass(frozen=True)
class Named:
    """What the rows of a frame are named by: a name, a time, and the place among rows that are equal in both."""

    names: pd.Series
    times: pd.Series
    """Microseconds since 1970, UTC; missing if a row has no event time."""
    places: pd.Series


def name_rows(
    frame: pd.DataFrame, features: pd.DataFrame, data: Data, earlier: Recurrence | None = None
) -> Named:
    """Name the rows of *frame*; *features*, row by row the same, name what nothing else does.

    *earlier* counts the rows of the chunks that came before, so that equal rows have places of their own.
    """
    names, times = _names(frame, features, data), event_times(frame, data)
    places = _places(names, times, features)
    if earlier is not None and (data.id is None or frame[data.id].isna().any()):
        moments = times.astype("str").where(times.notna(), "")
        keys = pd.util.hash_array((names + "@" + moments).to_numpy(dtype=object), categorize=False)
        places = places + earlier.count(keys)
    return Named(names, times, places)


def row_keys(frame: pd.DataFrame, features: pd.DataFrame, data: Data) -> pd.Series:
    """Return the key of each row of *frame* as text; *features*, row by row the same, name what nothing else does."""
    return keys_of(name_rows(frame, features, data), frame, data)


def keys_of(named: Named, frame: pd.DataFrame, data: Data) -> pd.Series:
    """Return the keys of the rows of *frame*, which are *named*."""
    names, times, places = named.names, named.times, named.places
    alone = times.isna() if data.id is None else times.isna() | frame[data.id].notna().reset_index(drop=True)
    keys = names if alone.all() else names.where(alone, names + "@" + times.astype("str"))
    return keys.where(places == 0, keys + "#" + places.astype("str")) if places.any() else keys


def trained_keys(training: Snapshot, data: Data, since: datetime) -> pd.Series:
    """Return the keys of the rows of *training*, if any of them may be an event from *since* on.

    Rows that are known by their content alone have none here: what their champion read of them is not what is stored.
    They are left out by their time instead, see `may_be_learnt`.
    """
    columns = [*data.naming]
    if not columns or not set(columns) <= set(training.columns):
        return pd.Series(dtype="str")
    if data.timestamp is not None and training.end is not None and as_utc(training.end) < since:
        return pd.Series(dtype="str")
    keys = data.model_copy(update={} if data.timestamp in columns else {"timestamp": None})
    frame = training.read(columns)
    return row_keys(frame, frame, keys)


def may_be_learnt(rows: pd.DataFrame, training: Snapshot, data: Data) -> NDArray[np.bool_]:
    """Return which of *rows* of the log may be among *training*: of rows that nothing names, those that are not newer.

    Rows that have a name are told apart by it, see `trained_keys`; without a time nobody can tell.
    """
    if data.naming or data.timestamp is None or training.end is None:
        return np.zeros(len(rows), dtype=np.bool_)
    return (rows["event_time"] <= pd.Timestamp(as_utc(training.end))).to_numpy(np.bool_)


def among(names: pd.Series, known: pd.Series | pd.Index) -> NDArray[np.bool_]:
    """Return of which of the texts *names* stands among *known*; a missing one does not.

    pandas' own `isin` asks for each text by itself: 0.4 seconds for 80,000.
    """
    options = pc.SetLookupOptions(pa.array(known, pa.string()), skip_nulls=True)
    found = pc.call_function("is_in", [pa.array(names, pa.string())], options)
    return found.to_numpy(zero_copy_only=False)


def entity_names(frame: pd.DataFrame, data: Data) -> pd.Series:
    """Return whom each row of *frame* is about, as text: its entity, or else its id; empty text if it has neither."""
    column = data.entity or data.id
    if column is None:
        return pd.Series("", index=range(len(frame)), dtype="object")
    return as_names(frame[column]).reset_index(drop=True)


def event_times(frame: pd.DataFrame, data: Data) -> pd.Series:
    """Return the event time of each row of *frame* in microseconds since 1970, UTC; missing if it has none."""
    if data.timestamp is None:
        return pd.Series(pd.NA, index=range(len(frame)), dtype="Int64")
    moments = in_utc(frame[data.timestamp]).dt.as_unit("us").reset_index(drop=True)
    return moments.astype("int64").astype("Int64").mask(moments.isna())


def name_predictions(
    model: str, version: int, frame: pd.DataFrame, features: pd.DataFrame, data: Data
) -> list[str]:
    """Return an id for the prediction of each row, the same whenever and with whatever rows it is scored.

    It follows from the model, the version, the row's name, its event time, and its place among rows that are equal
    in all of these: from what its key is made of.
    """
    return ids_of(model, version, name_rows(frame, features, data))


def ids_of(model: str, version: int, named: Named) -> list[str]:
    """Return the ids of the predictions of rows that are *named*, by *version* of *model*."""
    moments = pa.array(named.times, pa.int64()).cast(pa.string()).fill_null("").to_pylist()
    head, digest = json.dumps([model, version])[:-1], hashlib.sha256
    # As json.dumps writes the list of all five; row by row that alone takes longer than many a model.
    return [
        digest(f'{head}, {name}, "{moment}", {place}]'.encode()).hexdigest()[:32]
        for name, moment, place in zip(
            map(encode_basestring_ascii, named.names.tolist()), moments, named.places.tolist(), strict=True
        )
    ]


def hash_rows(features: pd.DataFrame) -> pd.Series:
    """Hash each row of *features* by its values alone: a number is the same whether its column has gaps or not."""
    columns = {name: _comparable(features[name]) for name in features}
    return pd.util.hash_pandas_object(pd.DataFrame(columns, index=features.index), index=False)


def name_as_before(model: str, version: int, frame: pd.DataFrame, data: Data) -> list[str]:
    """Return the ids that version 0.1 gave the predictions of *frame*, by which its rows in the log are known.

    It named a recurring entity by `data.id`, as it did any row.
    """
    column = data.id or data.entity
    if column is not None:
        entities = [str(value) for value in frame[column]]
    else:
        content = pd.util.hash_pandas_object(frame, index=False)
        places = content.groupby(content).cumcount()
        entities = [f"{value:016x}-{place}" for value, place in zip(content, places, strict=True)]
    return [_short_hash(f"{model}|{version}|{entity}") for entity in entities]


def _names(frame: pd.DataFrame, features: pd.DataFrame, data: Data) -> pd.Series:
    """Name each row of *frame* by its id, by its entity if there is a time beside it, or else by its content."""
    column = data.id or (data.entity if data.timestamp is not None else None)
    names = pd.Series("", index=range(len(frame)), dtype="object")
    if column is not None:
        names = as_names(frame[column]).reset_index(drop=True)
    unnamed = (names == "").to_numpy()
    if unnamed.any():
        names[unnamed] = hash_rows(features.reset_index(drop=True)[unnamed]).map("{:016x}".format)
    return names


def _places(names: pd.Series, times: pd.Series, features: pd.DataFrame) -> pd.Series:
    """Return the place of each row among those of its name and time, in the order of their content, then their own."""
    places = pd.Series(0, index=names.index)
    if names.is_unique:
        return places
    again = pd.DataFrame({"name": names, "time": times}).duplicated(keep=False).to_numpy()
    if again.any():
        equals = pd.DataFrame({"name": names[again], "time": times[again]}).assign(
            content=hash_rows(features.reset_index(drop=True)[again])
        )
        ordered = equals.sort_values("content", kind="stable")
        places.loc[ordered.index] = ordered.groupby(["name", "time"], dropna=False).cumcount()
    return places


def _comparable(column: pd.Series) -> pd.Series:
    """Return numbers and booleans as floats, with one zero and one NaN, and anything else as text."""
    if pd.api.types.is_numeric_dtype(column) or set(map(type, column)) <= {bool, type(None)}:
        numbers = column.astype("float64") + 0.0
        return numbers.mask(numbers.isna(), np.nan)
    return column.map(str, na_action="ignore").astype("str")


def _short_hash(text: str) -> str:
    """Hash *text* to 128 bits."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
