"""What is decided on what a rollout has shown, and what is kept of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from regrow.data.predictions import CHALLENGER, CHAMPION
from regrow.data.snapshots import Snapshot
from regrow.decisions.rollout.evidence import Arm, Evidence, Pairs
from regrow.models.results import ModelFacts
from regrow.project import Canary, Project
from regrow.registry import Rollout
from tasks.examine_rollout import Gathered, figures, judge

NOW = datetime(2024, 3, 1, tzinfo=UTC)
EMPTY = Snapshot(uri="file:///none", digest="0" * 64, rows=0, columns={})
FACTS = ModelFacts(
    project="m", kind="binary", classes=(0, 1), id="id", timestamp=None, training=EMPTY, holdout=EMPTY
)
TRUTH = pd.Series([1.0], index=["a"])


ROWS = pd.DataFrame(
    {"prediction_id": ["a"], "role": [CHAMPION], "fallback": [None], "prediction": [[0.4, 0.6]]}
)


def found(rows: int, failures: int = 0) -> Gathered:
    """Return evidence of *rows* of the champion and as many of a challenger with *failures*."""
    none = np.empty((0, 2))
    pairs = Pairs(none, none, np.empty(0), np.empty(0, dtype=np.bool_))
    seconds = np.full(rows, 0.01)
    evidence = Evidence(Arm(rows, rows, 0, seconds), Arm(rows, rows, failures, seconds), pairs)
    return Gathered(evidence, ROWS, TRUTH, FACTS)


def test_what_the_challenger_failed_on_is_its_own(project: Callable[..., Project]) -> None:
    """In an A/B comparison a row that fell back to the champion is the challenger's, without a prediction."""
    rows = pd.DataFrame(
        {
            "prediction_id": list("abcd"),
            "entity_id": list("abcd"),
            "served_at": pd.Timestamp(NOW),
            "event_time": pd.Timestamp(NOW),
            "role": [CHAMPION, CHAMPION, CHALLENGER, CHALLENGER],
            "fallback": [None, "raised", None, "not finite"],
            "prediction": [[0.4, 0.6], [0.3, 0.7], [0.2, 0.8], None],
        }
    )
    gathered = replace(found(100), rows=rows, truth=pd.Series(1.0, index=list("abcd")))
    data, as_of = project().data, NOW + timedelta(days=40)
    assert gathered.answers(CHAMPION, data, as_of).prediction.tolist() == [[0.4, 0.6]]
    said = gathered.answers(CHALLENGER, data, as_of).matured().prediction
    assert said[1].tolist() == [0.2, 0.8]
    assert np.isnan(said[[0, 2]]).all()


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
