"""What is decided on what a rollout has shown, and what is kept of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from regrow.data.delta import TIME
from regrow.data.labels import append_labels
from regrow.data.predictions import CHALLENGER, CHAMPION, SHADOW, append_predictions
from regrow.data.snapshots import Snapshot
from regrow.decisions.hold_back import is_held_back
from regrow.decisions.rollout.evidence import Arm, Evidence, Pairs
from regrow.models.results import ModelFacts
from regrow.project import Canary, Project, Shadow
from regrow.registry import Rollout
from tasks.examine_rollout import Gathered, figures, gather, judge

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


def log_payments(model: str, holds_back: bool) -> None:
    """Log 3,000 payments that champion and challenger, equally good, have scored, and what came of them.

    What the champion finds suspicious is stopped, and booked as the fraud that nobody can disprove any more: but for
    those that are held back, half of all.
    """
    random, rows = np.random.default_rng(1), 3_000
    fraud = random.random(rows) < 0.3
    scores = [1 / (1 + np.exp(-(1.5 * fraud + random.normal(size=rows) - 0.75))) for _ in range(2)]
    held = np.array([is_held_back(model, f"e{row}", 0.5) for row in range(rows)]) & holds_back
    booked = fraud | ((scores[0] > 0.5) & ~held)
    names = [f"p{row}" for row in range(rows)]
    moments = pa.array([NOW + timedelta(seconds=row) for row in range(rows)], TIME)
    for role, said, ids in (
        (CHAMPION, scores[0], names),
        (SHADOW, scores[1], [f"s{name}" for name in names]),
    ):
        table = {
            "prediction_id": ids,
            "entity_id": [f"e{row}" for row in range(rows)],
            "event_time": moments,
            "served_at": moments,
            "model": [model] * rows,
            "version": pa.array([1 if role == CHAMPION else 2] * rows, pa.int64()),
            "role": [role] * rows,
            "rollout": ["v2"] * rows,
            "stage": pa.array([0] * rows, pa.int64()),
            "seconds": [0.01] * rows,
            "shadow_of": pa.array([None if role == CHAMPION else name for name in names], pa.string()),
            "prediction": pa.array([[1 - value, value] for value in said], pa.list_(pa.float64())),
            "held_back": pa.array(held if holds_back and role == CHAMPION else [None] * rows, pa.bool_()),
        }
        append_predictions(model, pa.table(table), role)
    labels = pd.DataFrame({"prediction_id": names, "label": booked.astype(int), "labelled_at": NOW})
    append_labels(model, labels.assign(labelled_at=NOW + timedelta(hours=2)), "labels")


@pytest.mark.parametrize("holds_back", [False, True])
def test_a_challenger_is_judged_by_labels_that_no_answer_has_changed(
    project: Callable[..., Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holds_back: bool
) -> None:
    """The champion's answers come true because they were acted on, and an equal challenger is rolled back for it.

    On the rows that were held back alone it is not; the verdict says how many labels were left out.
    """
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    made = project(data={"source": {"kind": "csv", "path": "x.csv"}, "target": "late", "id": "id"})
    log_payments(made.name, holds_back)
    plan = Shadow(kind="shadow", least_rows=100, least_labels=1_000)
    rollout = Rollout(id="v2", plan=plan, stage=0, since=NOW, began=NOW)
    gathered = gather(made, rollout, FACTS, NOW + timedelta(hours=3))
    verdict = judge(made, rollout, gathered, (0, 1), NOW + timedelta(hours=3))
    assert verdict.outcome == ("advance" if holds_back else "roll back"), verdict.reason
    assert len(gathered.evidence.pairs.labelled) == 3_000
    labelled = int(gathered.evidence.pairs.labelled.sum())
    assert labelled + gathered.acted_on == 3_000
    assert (f"; {gathered.acted_on} labels of rows that were not held back" in verdict.reason) == holds_back
    assert 1_400 < gathered.acted_on < 1_600 if holds_back else gathered.acted_on == 0
    few = plan.model_copy(update={"least_labels": 2_000})
    waits = judge(made, rollout.model_copy(update={"plan": few}), gathered, (0, 1), NOW + timedelta(hours=3))
    assert (waits.outcome == "hold") == holds_back
