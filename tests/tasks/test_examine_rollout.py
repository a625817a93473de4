"""What a rollout has shown: whose rows count for whom, and what is decided on them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from regrow.data.predictions import CHALLENGER, CHAMPION, SHADOW
from regrow.data.snapshots import Snapshot
from regrow.decisions.rollout.evidence import Arm, Evidence, Pairs
from regrow.project import Canary, Project
from regrow.registry import Rollout
from regrow.results import ModelFacts
from tasks.examine_rollout import (
    Gathered,
    asked_of_challenger,
    figures,
    judge,
    make_pairs,
    measure_arm,
    name_entities,
)

NOW = datetime(2024, 3, 1, tzinfo=UTC)
EMPTY = Snapshot(uri="file:///none", digest="0" * 64, rows=0, columns={})
FACTS = ModelFacts(
    project="m", kind="binary", classes=(0, 1), id="id", timestamp=None, training=EMPTY, holdout=EMPTY
)
TRUTH = pd.Series([1.0], index=["a"])


def log(*rows: dict[str, object]) -> pd.DataFrame:
    """Write rows of the prediction log; what a row does not say is as of one that went well."""
    plain = {
        "entity_id": None,
        "event_time": pd.Timestamp(NOW),
        "served_at": pd.Timestamp(NOW),
        "stage": 1,
        "fallback": None,
        "seconds": 0.01,
        "shadow_of": None,
        "prediction": [0.4, 0.6],
    }
    return pd.DataFrame([plain | row for row in rows])


ROWS = log(
    {"prediction_id": "a", "role": CHAMPION},
    {"prediction_id": "b", "role": CHALLENGER, "seconds": 0.02},
    {"prediction_id": "c", "role": CHAMPION, "fallback": "timeout", "seconds": 0.03},
    {"prediction_id": "s", "role": SHADOW, "shadow_of": "a", "prediction": [0.3, 0.7]},
)


def test_a_row_that_fell_back_counts_against_the_challenger() -> None:
    """In a canary its rows are those it answered and those it should have; in shadow those it scored unseen."""
    canary = asked_of_challenger(ROWS, shadow=False)
    assert canary["prediction_id"].tolist() == ["b", "c"]
    assert asked_of_challenger(ROWS, shadow=True)["prediction_id"].tolist() == ["s"]
    arm = measure_arm(canary)
    assert (arm.rows, arm.failures) == (2, 1)
    assert arm.seconds.tolist() == [0.02, 0.03]


def test_a_request_of_many_rows_is_timed_once() -> None:
    """Rows of one request share moment and time to answer: together they are one observation of it."""
    request = [{"prediction_id": str(row), "role": CHAMPION, "seconds": 0.5} for row in range(3)]
    assert measure_arm(log(*request)).seconds.tolist() == [0.5]


def test_both_answers_to_a_row_are_paired_with_its_label() -> None:
    """A shadow is set beside the answer it belongs to; a row that the challenger failed on is a pair without it."""
    pairs = make_pairs(ROWS, TRUTH, FACTS)
    assert pairs.champion.tolist() == [[0.4, 0.6], [0.4, 0.6]]
    assert pairs.challenger[0].tolist() == [0.3, 0.7]
    assert np.isnan(pairs.challenger[1]).all()
    assert (pairs.labelled.tolist(), pairs.target[0]) == ([True, False], 1)


def test_rows_without_an_entity_stand_alone() -> None:
    """A row that names nobody is an entity of its own; if none does, there are no entities."""
    named = name_entities(log({"prediction_id": "a", "entity_id": "x"}, {"prediction_id": "b"}))
    assert named is not None
    assert named.tolist() == ["x", "b"]
    assert name_entities(ROWS) is None


def found(rows: int, failures: int = 0) -> Gathered:
    """Return evidence of *rows* of the champion and as many of a challenger with *failures*."""
    none = np.empty((0, 2))
    pairs = Pairs(none, none, np.empty(0), np.empty(0, dtype=np.bool_))
    seconds = np.full(rows, 0.01)
    evidence = Evidence(Arm(rows, 0, seconds), Arm(rows, failures, seconds), pairs)
    return Gathered(evidence, ROWS, TRUTH, FACTS)


@pytest.mark.parametrize(
    ("paused", "failures", "outcome", "result"),
    [
        (False, 0, "advance", "pass"),
        (True, 0, "hold", "fail"),
        (True, 500, "roll back", "fail"),
        (False, 500, "roll back", "fail"),
    ],
)
def test_paused_it_goes_back_but_no_further(
    project: Callable[..., Project], paused: bool, failures: int, outcome: str, result: str
) -> None:
    """A pause keeps a good challenger where it is and says what it would do; a broken limit takes it out."""
    plan = Canary(kind="canary", weights=(0.5,), least_rows=100, shadow_rows=0)
    rollout = Rollout(id="v2", plan=plan, stage=0, since=NOW, began=NOW, paused=paused)
    verdict = judge(project(), rollout, found(1_000, failures), (0, 1), NOW + timedelta(hours=1))
    assert (verdict.outcome, verdict.result) == (outcome, result)
    assert verdict.reason.startswith("paused; it would advance") == (paused and not failures)


def test_the_figures_of_a_look_have_names_that_mlflow_takes(project: Callable[..., Project]) -> None:
    """Rows, failures and each rule's figure are named, in letters that no store refuses."""
    plan = Canary(kind="canary", weights=(0.5,), shadow_rows=0)
    rollout = Rollout(id="v2", plan=plan, stage=0, since=NOW, began=NOW)
    evidence = found(1_000, 3)
    measured = figures(evidence, judge(project(), rollout, evidence, (0, 1), NOW))
    assert (measured["challenger.failures"], measured["champion.rows"]) == (3.0, 1000.0)
    assert all(set(name) <= set("._-/ _") | {c for c in name if c.isalnum()} for name in measured)
    assert len(measured) > 6
