"""The evidence in the rows of the prediction log: what each version was asked for, what it said, what came true."""

from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.data.predictions import CHALLENGER, CHAMPION, SHADOW
from regrow.data.rollouts import pair_predictions
from regrow.data.rows import among
from regrow.decisions.rollout.assignment import is_mirrored
from regrow.decisions.rollout.evidence import Answers, Arm, Pairs, SampleRatio
from regrow.decisions.units import are_over, name_units, request_codes, units_of_logged
from regrow.models.predictions import restore_labels, stack_predictions
from regrow.models.results import ModelFacts
from regrow.project import Data


def fell_back(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Return which of *rows* the champion answered because the challenger had failed."""
    return (rows["role"] == CHAMPION) & rows["fallback"].notna()


def asked_of_champion(rows: pd.DataFrame) -> pd.DataFrame:
    """Return those of *rows* that the champion answered by itself."""
    return rows[(rows["role"] == CHAMPION) & ~fell_back(rows)]


def asked_of_challenger(stage: pd.DataFrame, shadow: bool) -> pd.DataFrame:
    """Return the rows of *stage* that the challenger had to answer, or to score in *shadow*.

    Those that it failed on, so that the champion answered, are among them.
    """
    if shadow:
        return stage[stage["role"] == SHADOW]
    return stage[(stage["role"] == CHALLENGER) | fell_back(stage)]


def measure_arm(rows: pd.DataFrame) -> Arm:
    """Count *rows* and the requests that failed, a part of one as that part, and take one time for each request."""
    requests = request_codes(rows)
    failed = (rows["fallback"].notna() | rows["prediction"].isna()).groupby(requests).mean()
    seconds = rows["seconds"].groupby(requests).max().dropna()
    return Arm(len(rows), len(failed), float(failed.sum()), seconds.to_numpy(np.float64))


def make_pairs(rows: pd.DataFrame, truth: pd.Series, facts: ModelFacts, data: Data, as_of: datetime) -> Pairs:
    """Pair what both versions said of one row of *rows*, with its label if it has one; *data* names the unit.

    The unit of a row is settled if it was over so long before *as_of* as labels take.
    """
    pairs = pair_predictions(rows).sort_values(["event_time", "prediction_id"], ignore_index=True)
    target, labelled = find_targets(pairs, truth, facts)
    return Pairs(
        stack_predictions(pairs[CHAMPION], facts),
        stack_predictions(pairs[CHALLENGER], facts),
        target,
        labelled,
        units_of_logged(pairs, data.sampling_unit),
        are_over(pairs, data.sampling_unit, data.label_delay, as_of),
        request_codes(pairs),
    )


def mirrored_rows(rows: pd.DataFrame, rollout: str, mirror: float) -> pd.DataFrame:
    """Return *rows* without the answers of which no version but one was asked.

    Of an entity that is not mirrored the challenger's failures are logged all the same: paired, they would weigh more
    than its successes.
    """
    kept = (~fell_back(rows)).to_numpy(np.bool_, copy=True)
    kept[~kept] = np.array([is_mirrored(rollout, key, mirror) for key in entity_keys(rows[~kept])], np.bool_)
    return rows[kept]


def measure_ratio(stage: pd.DataFrame, weight: float) -> SampleRatio | None:
    """Count whom the challenger was asked for among the rows of *stage*; None if *weight* gives it nobody."""
    if weight <= 0:
        return None
    asked = asked_of_challenger(stage, shadow=False)
    answers = stage[stage["role"] != SHADOW]
    entities, challengers = (entity_keys(part).nunique() for part in (answers, asked))
    return SampleRatio(weight, entities, challengers, len(answers))


def entity_keys(rows: pd.DataFrame) -> pd.Series:
    """Return by what each of *rows* was assigned to a version: its entity, or its own id."""
    return rows["entity_id"].fillna(rows["prediction_id"]).astype(str)


def answers_of(
    rows: pd.DataFrame, truth: pd.Series, facts: ModelFacts, data: Data, as_of: datetime
) -> Answers:
    """Set the predictions of *rows* beside their labels, in the order in which they were served.

    *data* names the unit. Rows whose unit was not over so long before *as_of* as labels take are left out.
    """
    unit = data.sampling_unit
    rows = rows[are_over(rows, unit, data.label_delay, as_of)]
    rows = rows.sort_values(["served_at", "prediction_id"], ignore_index=True)
    target, labelled = find_targets(rows, truth, facts)
    return Answers(
        stack_predictions(rows["prediction"], facts),
        target,
        labelled,
        name_entities(rows),
        unit=unit,
        units=name_units(rows, unit),
    )


def find_targets(
    rows: pd.DataFrame, truth: pd.Series, facts: ModelFacts
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Return the label of each of *rows* as *facts* spell it, and whether it has one; *truth* holds them by id."""
    labelled = among(rows["prediction_id"], truth.index)
    encoded = restore_labels(truth.reindex(rows["prediction_id"][labelled]), facts)
    filler = np.nan if facts.kind == "regression" else facts.classes[0]
    target = np.full(len(rows), filler, dtype=encoded.dtype)
    target[labelled] = encoded
    return target, labelled


def name_entities(rows: pd.DataFrame) -> NDArray[np.generic] | None:
    """Return whom each of *rows* is about; None if the model names no entity."""
    named = rows["entity_id"]
    if named.isna().all():
        return None
    return entity_keys(rows).to_numpy(dtype=str)
