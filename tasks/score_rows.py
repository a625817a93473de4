"""Score rows in batch, chunk by chunk, and keep each prediction once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from prefect import get_run_logger

from regrow.base.errors import DataError
from regrow.base.fan_out import open_workers
from regrow.base.settings import load_settings
from regrow.data.batch_log import BatchLog
from regrow.data.destinations import Destination, open_destination
from regrow.data.known_rows import Recurrence
from regrow.data.readers import fingerprint_of, open_source
from regrow.data.rows import check_row_keys, entity_names, name_as_before
from regrow.data.selection import Kinds, Opened, Selection
from regrow.data.sources import as_names, rows_of, select_rows
from regrow.decisions.hold_back import is_held_back
from regrow.lineage import RunRecord, current, step
from regrow.models.batches import (
    Answered,
    Batch,
    Lacking,
    Predictor,
    carried_types,
    delivered_rows,
    read_batch,
)
from regrow.models.results import Scored
from regrow.models.stored import LoadedModel, load_model
from regrow.project import LogSource, Project, Source
from regrow.registry import Version

UNTIL = "regrow.scored_until"
"""Tag of a run that scored what was new: where the next one begins."""


@dataclass(frozen=True)
class Delivery:
    """A destination, and the columns of the source that are carried along to it."""

    destination: Destination
    carried: dict[str, pa.DataType]


class Kept(NamedTuple):
    """How many rows of a chunk were new to the prediction log, and to the destination."""

    logged: int
    delivered: int


def next_period(project: Project, run: RunRecord, as_of: datetime) -> tuple[datetime | None, datetime]:
    """Return the period that is new at *as_of*: the project's window, or what began where the last run ended.

    Without such a run, and for rows without times, it is all there is.
    """
    if project.data.timestamp is None:
        return None, as_of
    if project.scoring.window is not None:
        return as_of - project.scoring.window, as_of
    past = run.client.search_runs(
        [run.experiment_id],
        f"tags.`regrow.step` = 'score_rows' and tags.`{UNTIL}` != '' and attributes.status = 'FINISHED'",
        max_results=1000,
    )
    ends = [datetime.fromisoformat(found.data.tags[UNTIL]) for found in past]
    return max((end for end in ends if end <= as_of), default=None), as_of


def score_period(
    project: Project,
    model: LoadedModel,
    version: int,
    start: datetime | None,
    end: datetime | None,
    as_of: datetime,
) -> Scored:
    """Score the rows with an event time in [*start*, *end*) by *model*, which is *version*, and keep each once.

    A chunk is read, predicted, delivered and logged before the next one, or few at once on Dask's workers, so memory
    does not follow the rows; a run that was killed is finished by its repetition. Raises `DataError` if a row does not
    fit the model, a `data.id` recurs, the destination has other columns, or the source changes meanwhile;
    `Unreachable` if the scheduler of Dask is gone.
    """
    source, key = source_to_score(project)
    state = fingerprint_of(project, source, key)
    log = BatchLog(project.name, version, start, end, project.data.timestamp is not None)
    opened = open_source(project, source, key)
    seen: list[int] = []
    new = delivered = 0
    with open_workers(load_settings().dask) as each:
        selection = _check_names(project, opened, _select(project, model, log, start, end))
        batches = _read(project, version, model, opened, selection, seen)
        for first in batches:  # None, or the first, which tells how a destination looks.
            carried = carried_of(project, opened, selection, first.frame)
            delivery = open_delivery(project, model, first, as_of, carried)
            predictor = Predictor(model, as_of, delivery and delivery.carried)
            for answered in each(predictor, _lacking(chain([first], batches), log, delivery, as_of)):
                kept = keep(answered, log, delivery)
                new, delivered = new + kept.logged, delivered + kept.delivered
    if state != fingerprint_of(project, source, key):
        raise DataError(
            f"{project.path}: {key}: the source changed while its rows were scored; run it again: what was scored stays"
        )
    told = None if project.scoring.destination is None else delivered
    return Scored(version=version, rows=sum(seen), new=new, delivered=told, gone=log.gone)


def source_to_score(project: Project) -> tuple[Source, str]:
    """Return the source whose rows are scored, and its key; raise `DataError` if it is the prediction log."""
    asked, data = project.scoring.source, project.data
    source, key = (data.source, "data.source") if asked is None else (asked, "scoring.source")
    if isinstance(source, LogSource):
        raise DataError(
            f"{project.path}: {key}: the rows of the prediction log were predicted already; name the source of the "
            "rows to score under scoring.source"
        )
    return source, key


def carried_of(
    project: Project, opened: Opened, selection: Selection, first: pd.DataFrame
) -> dict[str, pa.DataType]:
    """Return the types of the columns that are carried along, as the *first* rows show them.

    Of a column that is empty in those, as the next rows do in which it is not.
    """
    seen = {name: first[name] for name in project.scoring.columns}
    empty = {name for name, values in seen.items() if values.isna().all()}
    alone = replace(selection, columns=frozenset({*empty, *project.data.key_columns}))
    for chunk in rows_of(project, opened, alone, unlabelled=True) if empty else ():
        seen |= {name: chunk[name] for name in empty if chunk[name].notna().any()}
        empty = {name for name in empty if chunk[name].isna().all()}
        if not empty:
            break
    return carried_types(seen, project.scoring.columns, project.data)


def open_delivery(
    project: Project, model: LoadedModel, batch: Batch, as_of: datetime, carried: dict[str, pa.DataType]
) -> Delivery | None:
    """Open the project's destination for rows like those of *batch*, the first; None if it names none."""
    if project.scoring.destination is None:
        return None
    nothing = batch.take(np.zeros(len(batch), bool), carried)
    schema = delivered_rows(nothing, _nothing(model), model, as_of, carried).schema
    destination = open_destination(project, batch.version, schema)
    return destination and Delivery(destination, carried)


def hold_back(batch: Batch, share: float) -> Batch:
    """Return *batch* with which of its rows are held back: a *share* of the entities; as it is if that is 0."""
    if not share:
        return batch
    names = entity_names(batch.frame, batch.data)
    nameless = (names == "").to_numpy()
    keys = np.where(nameless, batch.ids.to_pandas() if nameless.any() else "", names)
    return replace(batch, held=np.array([is_held_back(batch.model, key, share) for key in keys], np.bool_))


def keep(answered: Answered, log: BatchLog, delivery: Delivery | None) -> Kept:
    """Add what was *answered* to the destination and to the log.

    The destination comes first: a run that was killed in between finds its rows missing in the log, and goes on.
    """
    delivered = 0
    if delivery is not None and answered.delivered is not None:
        delivered = delivery.destination.add(answered.delivered)
    return Kept(log.add(answered.logged), delivered)


def _read(
    project: Project, version: int, model: LoadedModel, opened: Opened, selection: Selection, seen: list[int]
) -> Iterator[Batch]:
    """Read the rows that are selected, chunk by chunk; *seen* gets the number of rows of each."""
    earlier = Recurrence()
    for chunk in rows_of(project, opened, selection, unlabelled=True):
        if chunk.empty:
            continue
        if opened.names is None:
            check_row_keys(project, chunk)
        frame = chunk.reset_index(drop=True)
        seen.append(len(frame))
        batch = read_batch(
            project.name, version, project.data, model, frame, untyped=opened.untyped, earlier=earlier
        )
        yield hold_back(batch, model.facts.hold_back)


def _lacking(
    batches: Iterable[Batch], log: BatchLog, delivery: Delivery | None, as_of: datetime
) -> Iterator[Lacking]:
    """Keep of each batch the rows that the log or the destination lacks."""
    for batch in batches:
        unlogged, undelivered = np.ones(len(batch), bool), np.zeros(len(batch), bool)
        if not log.empty:
            former = (
                name_as_before(batch.model, batch.version, batch.frame, batch.data) if log.former else None
            )
            unlogged = log.missing(batch.ids, batch.times(as_of), former)
        if delivery is not None:
            known = delivery.destination.known
            undelivered = ~known.has(batch.ids) if known else ~undelivered
        wanted = unlogged | undelivered
        if wanted.any():
            carried = delivery.carried if delivery else ()
            yield Lacking(batch.take(wanted, carried), unlogged[wanted], undelivered[wanted])


def _nothing(model: LoadedModel) -> np.ndarray:
    """Return the prediction of no row."""
    return np.zeros((0, len(model.facts.classes)) if model.facts.classes else 0)


def _select(
    project: Project, model: LoadedModel, log: BatchLog, start: datetime | None, end: datetime | None
) -> Selection:
    """Select the rows of the period, with the columns that the model takes, and those that are carried along."""
    columns = {*model.features, *project.scoring.columns}
    # Version 0.1 named a row without an id by all that stands in it.
    everything = log.former and project.data.id is None and project.data.entity is None
    return select_rows(project, start, end, model.contract.text, None if everything else columns)


def _check_names(project: Project, opened: Opened, selection: Selection) -> Selection:
    """Read what names the rows alone; raise `DataError` if a `data.id` recurs, before anything is written.

    Return *selection* with the names, and the columns that are carried along, that are text in some chunk of the
    source: they are text in all.
    """
    named = [name for name in (project.data.id, project.data.entity) if name is not None]
    missing = [
        name for name in project.scoring.columns if opened.names is not None and name not in opened.names
    ]
    if missing:
        raise DataError(f"{project.path}: scoring.columns: the data has no column `{missing[0]}`")
    carried = project.scoring.columns if opened.untyped else ()
    if opened.names is None or not (project.data.id or (opened.untyped and (named or carried))):
        return selection
    kinds, hashes = Kinds(), [np.zeros(0, dtype=np.uint64)]
    alone = replace(selection, columns=frozenset({*named, *carried, *project.data.key_columns}))
    for chunk in rows_of(project, opened, alone, kinds=kinds, unlabelled=True):
        kinds.add(chunk, carried)
        if project.data.id is not None:
            ids = as_names(chunk[project.data.id]).to_numpy(dtype=object)
            hashes.append(pd.util.hash_array(ids[ids != ""], categorize=False))
    whole = np.sort(np.concatenate(hashes))
    if (whole[1:] == whole[:-1]).any():
        ids = [chunk[[project.data.id]] for chunk in rows_of(project, opened, alone, unlabelled=True)]
        check_row_keys(project, pd.concat(ids, ignore_index=True))
    return replace(selection, text=selection.text | kinds.mixed | kinds.text) if opened.untyped else selection


@step(retries=2, retry_delay_seconds=[5, 30])
def score_rows(
    project: Project,
    version: Version,
    start: datetime | None,
    end: datetime | None,
    as_of: datetime,
    alias: str,
) -> Scored:
    """Score the rows with an event time in [*start*, *end*) with *version*; without either, what is new at *as_of*.

    The next run begins where one without a period, by the *alias* of the project file, ended.
    Raises `DataError` if a period that was asked for has no row, or one that does not fit the model.
    """
    run, asked = current(), start is not None or end is not None
    first, last = (start, end or as_of) if asked else next_period(project, run, as_of)
    model = load_model(f"models:/{version.model_id}")
    scored = score_period(project, model, version.number, first, last, as_of)
    if not scored.rows and (asked or project.data.timestamp is None):
        raise DataError(f"{project.path}: no row between {first} and {last}; nothing to score")
    if scored.gone:
        get_run_logger().warning(
            "%s: %d rows that version %d scored before are gone from the source; their predictions stay",
            project.path,
            scored.gone,
            version.number,
        )
    run.log_model_input(version.model_id)
    figures: dict[str, float] = {"rows": scored.rows, "rows.new": scored.new, "rows.gone": scored.gone}
    run.log_metrics(figures | ({} if scored.delivered is None else {"rows.delivered": scored.delivered}))
    run.tag(version=version.number)
    if not asked and alias == project.scoring.version:
        run.set_tags({UNTIL: last.isoformat()})
    return scored
