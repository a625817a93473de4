"""Which runs may go."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from regrow.lineage.needed import Needed
from regrow.project import Retention
from tasks import tidy_runs as module
from tasks.tidy_runs import NEWEST, due_runs, kept_for

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Retention()
NEEDED = Needed(frozenset({"needed"}), frozenset(), "v4-a")


def tags(flow: str = "monitor", run: str = "f", **more: str) -> dict[str, str]:
    return {"regrow.flow": flow, "prefect.flow_run_id": run} | {
        f"regrow.{name.replace('_', '.')}": value for name, value in more.items()
    }


@pytest.mark.parametrize(
    ("given", "status", "kept"),
    [
        (tags(verdict="pass", verdict_decision="monitor"), "FINISHED", RULES.runs),
        (tags(verdict="fail", verdict_decision="monitor"), "FINISHED", RULES.verdicts),
        (tags("retrain", verdict="fail", verdict_decision="retrain"), "FINISHED", RULES.verdicts),
        (tags("train", verdict="fail", verdict_decision="promote"), "FINISHED", None),
        (tags("train", verdict="pass", verdict_decision="deploy"), "FINISHED", None),
        (tags("train"), "FAILED", RULES.runs),
        (tags(run="needed"), "FINISHED", None),
        (tags("rollout", rollout="v4-a"), "FINISHED", None),
        (tags("rollout", rollout="v3-a"), "FINISHED", RULES.runs),
        (tags(), "RUNNING", None),
        (tags(), "SCHEDULED", None),
    ],
)
def test_what_a_version_a_rollout_or_the_ledger_needs_stays(
    given: dict[str, str], status: str, kept: timedelta | None
) -> None:
    """An alarm stays longer than no alarm; what made or moved a version, and what is at work, stays for ever."""
    assert kept_for(given, status, RULES, NEEDED) == kept


def run(days: float, flow: str = "monitor") -> Any:
    began = (NOW - timedelta(days=days)).timestamp() * 1000
    return SimpleNamespace(
        info=SimpleNamespace(start_time=began, status="FINISHED"), data=SimpleNamespace(tags=tags(flow))
    )


def test_the_newest_of_each_flow_stay() -> None:
    """However old they are: a model that is watched once a year still shows its last runs."""
    runs = [run(200 + day) for day in range(NEWEST + 3)]
    assert due_runs(runs, RULES, NEEDED, NOW) == runs[NEWEST:]
    assert due_runs([run(day) for day in range(80)], RULES, NEEDED, NOW) == []
    mixed = [run(200 + day, flow) for day in range(NEWEST) for flow in ("monitor", "score")]
    assert due_runs(mixed, RULES, NEEDED, NOW) == []


def test_the_oldest_go_first_and_a_model_without_runs_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal that is stopped has left the newer ones whole."""
    gone, parents = [], [run(200 + day) for day in range(NEWEST + 2)]
    room = module.Room(1, 5)
    monkeypatch.setattr(module, "needed_of", lambda *_: NEEDED)
    monkeypatch.setattr(module, "runs_of", lambda _, name, *__, **___: parents if name == "m" else [])
    monkeypatch.setattr(module, "remove_run", lambda _, one, __: gone.append(one) or room)
    client: Any = None
    assert module.tidy_experiment(client, "m", RULES, NOW, False) == module.Room(2, 10)
    assert gone == [parents[-1], parents[-2]]
    assert module.tidy_experiment(client, "other", RULES, NOW, False) == module.Room()
