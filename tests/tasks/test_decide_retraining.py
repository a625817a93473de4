"""What the retraining policy is asked with: the labels that the champion has not seen, and the retrainings before."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tasks.decide_retraining
from regrow.data.labels import append_labels
from regrow.data.snapshots import Snapshot
from regrow.decisions.retraining import Situation, judge_retraining
from regrow.lineage import FLOW_RUN, RunRecord
from regrow.models.results import ModelFacts
from regrow.project import Project
from regrow.registry import Version
from tasks.decide_retraining import (
    count_new_labels,
    last_forced,
    open_challenger,
    past_retrainings,
    refused_in_a_row,
    watched_windows,
)

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
    assert count_new_labels(made, champion, datetime(2024, 1, 10, tzinfo=UTC)) == (len(["r4", "r6"]), 2)


def test_a_label_that_was_told_is_new_too(
    project: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A source that leaves targets empty gets them over HTTP: the policy counts them, as a training learns them."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))
    made = project(FRAME.assign(late=FRAME["late"].where(FRAME["id"] < "r4")), data=DATA)
    told = pd.DataFrame({"row_key": ["r5", "r6", "r6"], "label": [1, 0, 1]})
    append_labels(made.name, told.assign(labelled_at=AT[8]), "told", origin="http")
    champion = champion_of(monkeypatch, 2, AT[3].to_pydatetime())
    assert count_new_labels(made, champion, AT[7].to_pydatetime()) == (0, 0)
    assert count_new_labels(made, champion, AT[9].to_pydatetime()) == (2, 2)


def test_without_times_the_number_of_rows_tells(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source without times holds as many new labels as it has more rows than the champion was made from."""
    made = project(FRAME, data={"source": DATA["source"], "target": "late"})
    as_of = datetime(2024, 1, 10, tzinfo=UTC)
    assert count_new_labels(made, champion_of(monkeypatch, 4, None), as_of) == (2, 2)
    assert count_new_labels(made, champion_of(monkeypatch, 40, None), as_of) == (0, 0)


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
    verdict = judge_retraining(made.retraining, "schedule", as_of, Situation([as_of - timedelta(days=2)], 5))
    tasks.decide_retraining.tell(made, verdict, as_of)
    assert [each["kind"] for each in record.told] == [kind]
    assert record.told[0]["figures"]


def test_a_champion_that_is_only_too_young_is_told_to_nobody(
    project: Callable[..., Project], remember: Callable[..., Any]
) -> None:
    """It is found every day; any other reason beside it is told."""
    record, as_of = remember(tasks.decide_retraining), datetime(2024, 3, 1, tzinfo=UTC)
    made = project(retraining={"age": "30d", "least_labels": 10})
    for labels in (10, 5):
        young = Situation(new_labels=labels, trained=as_of - timedelta(days=2))
        tasks.decide_retraining.tell(made, judge_retraining(made.retraining, "schedule", as_of, young), as_of)
    assert [each["kind"] for each in record.told] == ["retraining.declined"]


def version(number: int, day: int, status: str, trigger: str = "alarm") -> Any:
    tags = {
        "regrow.as_of": datetime(2024, 1, day, tzinfo=UTC).isoformat(),
        "regrow.status": status,
        "regrow.trigger": trigger,
    }
    return SimpleNamespace(version=str(number), tags=tags)


def test_challengers_that_led_nowhere_are_counted_since_the_last_that_took_over() -> None:
    """Refused by the gates or rolled back counts; what a person trained, or is on its way, neither counts nor ends."""
    versions = [
        version(1, 1, "promoted", "manual"), version(2, 2, "refused"), version(3, 3, "promoted"),
        version(4, 4, "refused"), version(5, 5, "rolled back", "schedule"), version(6, 6, "refused", "manual"),
        version(7, 7, "superseded"), version(8, 8, "not better"), version(9, 20, "refused"),
    ]  # fmt: skip
    now = datetime(2024, 1, 10, tzinfo=UTC)
    assert refused_in_a_row(versions, now, None) == [8, 5, 4]
    assert refused_in_a_row(versions, now, datetime(2024, 1, 5, tzinfo=UTC)) == [8, 5]
    assert refused_in_a_row(versions[:3], now, None) == []


def run_of(*tags: dict[str, str]) -> RunRecord:
    """Return a run whose client finds runs with these tags."""
    found = [SimpleNamespace(data=SimpleNamespace(tags=each)) for each in tags]
    client: Any = SimpleNamespace(search_runs=lambda *_, **__: found)
    return RunRecord(client, "run", "0")


def test_a_person_who_forces_begins_anew() -> None:
    """The last forced retraining until the moment counts; one without a moment was never finished."""
    run = run_of(
        {"regrow.as_of": "2024-01-03T00:00:00+00:00"}, {"regrow.as_of": "2024-02-01T00:00:00+00:00"}, {}
    )
    assert last_forced(run, datetime(2024, 1, 10, tzinfo=UTC)) == datetime(2024, 1, 3, tzinfo=UTC)
    assert last_forced(run_of(), datetime(2024, 1, 10, tzinfo=UTC)) is None


def test_each_watched_window_counts_once(project: Make) -> None:
    """A window that was looked at twice has its last verdict; those of later, and of long ago, are not among them."""
    made = project(retraining={"alarms": {"of": 3, "least": 2}}, monitoring={"window": "10d"})

    def watched(month: int, day: int, result: str) -> dict[str, str]:
        return {"regrow.as_of": f"2024-{month:02}-{day:02}T00:00:00+00:00", "regrow.verdict": result}

    run = run_of(
        watched(2, 1, "fail"), watched(3, 1, "fail"), watched(3, 10, "fail"), watched(3, 10, "pass"),
        watched(3, 20, "fail"), watched(4, 1, "fail"),
    )  # fmt: skip
    assert watched_windows(run, made, datetime(2024, 3, 20, tzinfo=UTC)) == [True, False, True]
    assert watched_windows(run, project(), datetime(2024, 3, 20, tzinfo=UTC)) == []


def test_a_rollout_that_the_same_run_has_started_is_no_obstacle(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retraining that was killed after its rollout began is repeated as of the same moment, and goes on."""
    as_of, made = datetime(2024, 3, 20, tzinfo=UTC), project()
    registry = tasks.decide_retraining.registry
    monkeypatch.setattr(registry, "state", lambda _: SimpleNamespace(challenger=2))
    monkeypatch.setattr(registry, "version", lambda *_: version(2, 5, "rolling out"))
    assert open_challenger(made, as_of) == 2
    assert open_challenger(made, datetime(2024, 1, 5, tzinfo=UTC)) is None
    monkeypatch.setattr(registry, "state", lambda _: SimpleNamespace(challenger=None))
    assert open_challenger(made, as_of) is None
