"""What the retraining policy is asked with: the labels that the champion has not seen, and the retrainings before."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tasks.decide_retraining
from regrow.data.snapshots import Snapshot
from regrow.decisions.retraining import judge_retraining
from regrow.lineage import FLOW_RUN, RunRecord
from regrow.project import Project
from regrow.registry import Version
from regrow.results import ModelFacts
from tasks.decide_retraining import count_new_labels, past_retrainings

AT = pd.date_range("2024-01-01", periods=10, tz="UTC")
FRAME = pd.DataFrame(
    {"id": [f"r{day}" for day in range(10)], "at": AT, "size": range(10), "late": [0.0, 1.0] * 5}
)
DATA = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at", "id": "id"}
Make = Callable[..., Project]


def champion_of(monkeypatch: pytest.MonkeyPatch, rows: int, end: datetime | None) -> Version:
    """Make a champion whose last holdout row is of *end*."""
    part = Snapshot(uri="file:///nowhere", digest="0" * 64, rows=rows, columns={}, start=end, end=end)
    facts = ModelFacts(project="p", kind="binary", id=None, timestamp=None, training=part, holdout=part)
    monkeypatch.setattr(Version, "facts", property(lambda _: facts))
    return Version(name="p", number=1, model_id="m", run_id="r", tags={})


def test_only_known_labels_of_later_rows_are_new(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row counts if it is later than all that the champion saw, its label's delay has passed, and it has a label."""
    frame = FRAME.assign(late=FRAME["late"].mask(FRAME["id"] == "r5", np.nan))
    made = project(frame, data=DATA | {"label_delay": "2d"})
    champion = champion_of(monkeypatch, 2, AT[3].to_pydatetime())
    assert count_new_labels(made, champion, datetime(2024, 1, 10, tzinfo=UTC)) == len(["r4", "r6"])


def test_without_times_the_number_of_rows_tells(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source without times holds as many new labels as it has more rows than the champion was made from."""
    made = project(FRAME, data={"source": DATA["source"], "target": "late"})
    as_of = datetime(2024, 1, 10, tzinfo=UTC)
    assert count_new_labels(made, champion_of(monkeypatch, 4, None), as_of) == 2
    assert count_new_labels(made, champion_of(monkeypatch, 40, None), as_of) == 0


def test_retrainings_that_made_something_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the other flow runs that decided to train, those that ended well or are at work count, with their moments."""

    def decided(flow_run: str, day: int) -> Any:
        tags = {
            FLOW_RUN: flow_run,
            "regrow.step": "decide_retraining",
            "regrow.as_of": f"2024-01-{day:02}T00:00:00+00:00",
        }
        return SimpleNamespace(data=SimpleNamespace(tags=tags))

    runs = [decided("own", 9), decided("ended", 1), decided("failed", 5), decided("at work", 7)]
    client: Any = SimpleNamespace(get_run=lambda _: runs[0], search_runs=lambda *_, **__: runs)
    monkeypatch.setattr(
        tasks.decide_retraining, "effective_flow_runs", lambda *given: {"own", "ended", "at work"} & given[-1]
    )
    found = past_retrainings(RunRecord(client, "run", "0"))
    assert found == [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 7)]


@pytest.mark.parametrize(("runs", "kind"), [(1, "retraining.budget-spent"), (2, "retraining.declined")])
def test_a_retraining_that_is_declined_is_told(
    project: Callable[..., Project], remember: Callable[..., Any], runs: int, kind: str
) -> None:
    """With the rules' figures; a budget that is spent has a kind of its own."""
    record, as_of = remember(tasks.decide_retraining), datetime(2024, 3, 1, tzinfo=UTC)
    made = project(retraining={"budget": {"runs": runs, "period": "30d"}, "least_labels": 10})
    verdict = judge_retraining(made.retraining, "schedule", as_of, [as_of - timedelta(days=2)], 5)
    tasks.decide_retraining.tell(made, verdict, as_of)
    assert [each["kind"] for each in record.told] == [kind]
    assert record.told[0]["figures"]
