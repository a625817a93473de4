"""Gather what a rollout has shown so far: the prediction log's rows, joined with the labels."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.data.labels import join_labels, read_labels
from regrow.data.predictions import CHALLENGER, CHAMPION, SHADOW
from regrow.data.rollouts import pair_predictions, read_rollout
from regrow.decisions.rollout.evidence import Arm, Evidence, Pairs, Scored
from regrow.models.predictions import encode_labels, stack_predictions
from regrow.registry import Rollout
from regrow.results import ModelFacts


@dataclass(frozen=True)
class Gathered:
    """The evidence of a rollout's stage, and the rows from which an A/B comparison asks what each version answered."""

    evidence: Evidence
    rows: pd.DataFrame
    labels: pd.DataFrame
    facts: ModelFacts

    def answers(self, role: str) -> Scored:
        """Set what *role* answered in the whole rollout beside what came true."""
        mine = self.rows["role"] == role
        return scored(
            self.rows[mine & self.rows["prediction"].notna() & self.rows["fallback"].isna()],
            self.labels,
            self.facts,
        )


def gather(model: str, rollout: Rollout, facts: ModelFacts, as_of: datetime) -> Gathered:
    """Gather what *rollout* of *model* has shown, with the labels known at *as_of*; *facts* are the champion's."""
    rows, labels = read_rollout(model, rollout.id), read_labels(model, as_of)
    stage = rows[rows["stage"] == rollout.stage]
    of_challenger = asked_of_challenger(stage, shadow=rollout.current.weight == 0)
    of_champion = stage[(stage["role"] == CHAMPION) & stage["fallback"].isna()]
    seen = Evidence(arm(of_champion), arm(of_challenger), make_pairs(rows, labels, facts))
    return Gathered(seen, rows, labels, facts)


def asked_of_challenger(stage: pd.DataFrame, shadow: bool) -> pd.DataFrame:
    """Give the rows of *stage* that the challenger was to answer, those that fell back among them; or to shadow."""
    if shadow:
        return stage[stage["role"] == SHADOW]
    fell_back = (stage["role"] == CHAMPION) & stage["fallback"].notna()
    return stage[(stage["role"] == CHALLENGER) | fell_back]


def arm(rows: pd.DataFrame) -> Arm:
    """Count *rows* and their failures, and take one time for each request."""
    failures = rows["fallback"].notna() | rows["prediction"].isna()
    requests = rows.drop_duplicates(["served_at", "seconds"])["seconds"].dropna()
    return Arm(len(rows), int(failures.sum()), requests.to_numpy(np.float64))


def make_pairs(rows: pd.DataFrame, labels: pd.DataFrame, facts: ModelFacts) -> Pairs:
    """Pair what both versions said of one row of *rows*, with its label where it has one."""
    pairs = pair_predictions(rows).reset_index(drop=True)
    target, labelled = targets(pairs, labels, facts)
    return Pairs(
        stack_predictions(pairs[CHAMPION], facts),
        stack_predictions(pairs[CHALLENGER], facts),
        target,
        labelled,
        entities(pairs),
    )


def scored(rows: pd.DataFrame, labels: pd.DataFrame, facts: ModelFacts) -> Scored:
    """Set the predictions of *rows* beside their labels."""
    rows = rows.reset_index(drop=True)
    target, labelled = targets(rows, labels, facts)
    return Scored(stack_predictions(rows["prediction"], facts), target, labelled, entities(rows))


def targets(
    rows: pd.DataFrame, labels: pd.DataFrame, facts: ModelFacts
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Give the label of each of *rows* as *facts* spell it, and whether it has one."""
    found = join_labels(rows, labels)
    labelled = rows.index.isin(found.index)
    encoded = encode_labels(found["label"], facts)
    filler = np.nan if facts.kind == "regression" else facts.classes[0]
    target = np.full(len(rows), filler, dtype=encoded.dtype)
    target[labelled] = encoded
    return target, labelled


def entities(rows: pd.DataFrame) -> NDArray[np.generic] | None:
    """Give whom each of *rows* is about; None where the model names nobody."""
    named = rows["entity_id"]
    if named.isna().all():
        return None
    return named.fillna(rows["prediction_id"]).astype(str).to_numpy(dtype=str)
