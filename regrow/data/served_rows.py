"""Open a prediction log as a source: each row once, with its features as they were served and the label that joined.

What was logged is what the model saw, so nothing has to compute the features a second time. Of a row that was
predicted several times the first prediction counts: what it holds was known then. A shadow is no row of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from regrow.base.errors import DataError
from regrow.data.delta import TIME, open_table
from regrow.data.joining import join_labels, keys_of_logged
from regrow.data.labels import labels_state, read_labels
from regrow.data.predictions import complete, predictions_path, scan_predictions
from regrow.data.selection import CHUNK, Opened, Selection
from regrow.data.times import as_utc
from regrow.project import Data, LogSource, Project

PREDICTION_ID = "prediction_id"
"""The column that names the prediction by which a row was logged; no feature, unless `data.features` names it."""
NAMES = [PREDICTION_ID, "row_key", "entity_id", "event_time", "served_at"]
CHANGED = "__"
"""Between a feature and its type, in the name of what was logged of it after its type had changed."""


def open_log(project: Project, source: LogSource, where: str) -> Opened:
    """Open the log that *source* names for its rows; the target of a row is its label, missing if it has none yet.

    Raises `DataError` that begins with *where* if nothing was logged, or never one of `data.features`.
    """
    model, data = logged_model(project, source), project.data
    logged = scan_predictions(model)
    if logged is None:
        raise DataError(
            f"{where}: the prediction log of {model} is empty: it awaits the first predictions that are served or "
            "scored; train the first version from a source of another kind"
        )
    held = _held(logged.schema)
    own = (data.target, *data.key_columns)
    for place, name in enumerate(data.features or ()):
        if name not in held and name not in own:
            raise DataError(
                f"{where}: the prediction log of {model} never held the feature `{name}` (data.features[{place}]); "
                f"it holds {', '.join(held) or 'none'}; leave it out, or take it from another kind of source first"
            )
    features = {name: columns for name, columns in held.items() if name not in own or name in keys_seen(data)}
    names = list(dict.fromkeys([*data.key_columns, *features, data.target, PREDICTION_ID]))
    return Opened(names, partial(_chunks, _Log(project, model, where, names, features)))


def logged_model(project: Project, source: LogSource) -> str:
    """Return the model whose log *source* is: the project's own, unless it names another."""
    return source.model or project.name


def log_state(project: Project, source: LogSource) -> str:
    """Return a text that changes when rows or labels are added to what *source* reads."""
    model = logged_model(project, source)
    table = open_table(predictions_path(model))
    states = [str(table and table.version()), *map(labels_state, dict.fromkeys([model, project.name]))]
    return f"{model}@{'/'.join(states)}"


def keys_seen(data: Data) -> set[str]:
    """Return the columns that name a row and are features all the same."""
    return {name for name in (data.id, data.entity) if name and name in (data.features or ())}


@dataclass(frozen=True)
class _Log:
    """A prediction log that is read as rows."""

    project: Project
    model: str
    where: str
    names: list[str]
    features: dict[str, list[str]]
    """Each feature with what was logged of it: it has several names if its type has changed."""
    seen: dict[str, str] = field(default_factory=dict)
    """Which of the several holds the values that were read."""

    def scan(self, selection: Selection) -> ds.Dataset:
        """Open the predictions of the period, and of no event after its moment."""
        isdated = self.project.data.timestamp is not None
        start, end = (selection.start, selection.end) if isdated else (None, None)
        found = scan_predictions(self.model, start, end)
        if found is None:
            raise DataError(f"{self.where}: the prediction log of {self.model} is gone while it was read")
        if selection.as_of is not None:
            found = found.filter(pc.field("event_time") <= pa.scalar(as_utc(selection.as_of), TIME))
        return found


def _held(schema: pa.Schema) -> dict[str, list[str]]:
    """Return the features in a log of *schema*, each with the names of what was logged of it."""
    if "features" not in schema.names:
        return {}
    fields, held = list(schema.field("features").type), {}
    known = {each.name for each in fields}
    for each in fields:
        base = each.name.removesuffix(f"{CHANGED}{each.type}")
        held.setdefault(base if base in known else each.name, []).append(each.name)
    return held


def _chunks(log: _Log, selection: Selection) -> Iterator[pd.DataFrame]:
    """Read what is selected of *log*: which predictions are rows, their labels, then their features chunk by chunk."""
    dataset = log.scan(selection)
    rows = _rows(log, dataset, selection)
    wanted = [name for name in log.names if selection.columns is None or name in selection.columns]
    features = [name for name in wanted if name in log.features]
    named = rows[[name for name in wanted if name not in features]]
    if not features or rows.empty:
        yield named.reindex(columns=wanted).reset_index(drop=True)
        return
    log.seen.clear()
    scanner = dataset.scanner(columns=[PREDICTION_ID, "features"], batch_size=CHUNK, batch_readahead=4)
    for batch in scanner.to_batches():
        places = rows.index.get_indexer(pd.Index(batch.column(PREDICTION_ID).to_pandas()))
        kept = pa.table(batch).filter(pa.array(places >= 0))
        if kept.num_rows:
            told = _features(log, kept.column("features").combine_chunks(), features)
            own = named.iloc[places[places >= 0]].reset_index(drop=True)
            yield pd.concat([own, told], axis=1)[wanted]


def _rows(log: _Log, dataset: ds.Dataset, selection: Selection) -> pd.DataFrame:
    """Return the first prediction of each row of *dataset*, by its id: what names the row, and its label."""
    data = log.project.data
    known = [name for name in NAMES if name in dataset.schema.names]
    logged = complete(dataset.to_table(known)).select(NAMES).to_pandas()
    logged = logged.drop_duplicates(PREDICTION_ID, ignore_index=True)
    keys = keys_of_logged(logged, data)
    logged = logged.assign(name=keys.fillna(logged[PREDICTION_ID]))
    labels = pd.concat(
        [read_labels(each, selection.as_of) for each in dict.fromkeys([log.model, log.project.name])]
    )
    joined = join_labels(log.model, logged, labels.sort_values("labelled_at", kind="stable"), data).rows
    last = joined.sort_values(["labelled_at", "own"], kind="stable").drop_duplicates("name", keep="last")
    rows = logged.sort_values(["served_at", PREDICTION_ID]).drop_duplicates("name")
    columns = {data.entity: rows["entity_id"], data.id: keys[rows.index], data.timestamp: rows["event_time"]}
    columns |= {data.target: rows["name"].map(last.set_index("name")["label"])}
    columns |= {PREDICTION_ID: rows[PREDICTION_ID]}
    return pd.DataFrame({name: values for name, values in columns.items() if name}).set_axis(
        rows[PREDICTION_ID]
    )


def _features(log: _Log, struct: pa.StructArray, names: list[str]) -> pd.DataFrame:
    """Return the features *names* of *struct*, rows of the log.

    Raises `DataError` if the type of one has changed within what is read.
    """
    values = dict(zip(struct.type.names, struct.flatten(), strict=True))
    columns = {}
    for name in names:
        filled = [column for column in log.features[name] if values[column].null_count < len(struct)]
        held = log.seen.setdefault(name, filled[0]) if filled else log.seen.get(name, log.features[name][0])
        if other := next((column for column in filled if column != held), None):
            types = " and ".join(sorted({str(values[held].type), str(values[other].type)}))
            raise DataError(
                f"{log.where}: the prediction log of {log.model} holds `{name}` as {types}: its type has changed; "
                "begin training.window after that, or leave it out of data.features"
            )
        columns[name] = values[held]
    return pa.table(columns).to_pandas()
