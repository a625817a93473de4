"""Every model in a line."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from regrow.cli.status_command import ago, status_table
from regrow.lineage.status import LastRun, ModelStatus, Status
from regrow.project import Project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_line_tells_all_of_a_model() -> None:
    """Who serves since when, the rollout's stage, what ran last with its verdict, the labels' age, what runs next."""
    trained = LastRun(
        flow="train", began=NOW - timedelta(days=3), state="finished", result="pass", reason="better"
    )
    watched = LastRun(flow="monitor", began=NOW - timedelta(hours=5), state="failed", result=None, reason="x")
    model = ModelStatus(
        name="loans",
        champion=3,
        since=NOW - timedelta(days=2),
        challenger=4,
        rollout="stage 1 of 2, answers 5%",
        training=trained,
        monitoring=watched,
        newest_label=NOW - timedelta(minutes=7),
        next_runs={"monitor": NOW + timedelta(days=1), "retrain": NOW + timedelta(hours=1)},
    )
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(status_table(Status(models=(model, ModelStatus(name="new")), away=()), NOW))
    shown = console.export_text()
    for cell in (
        "version 3, 2 d ago", "version 4: stage 1 of 2, answers 5%", "pass, 3 d ago", "failed, 5 h ago", "7 min ago",
        "retrain 03-01 13:00, monitor 03-02 12:00",
    ):  # fmt: skip
        assert cell in shown
    assert shown.splitlines()[-2].split() == ["new", "-", "-", "-", "-", "-", "-"]


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=90), "1 h ago"),
        (timedelta(days=800), "800 d ago"),
        (-timedelta(days=1), "2026-03-02 12:00"),
    ],
)
def test_ages_have_one_unit(before: timedelta, said: str) -> None:
    """An age is told in its largest unit; a moment to come by its date."""
    assert ago(NOW - before, NOW) == said


def test_what_is_known_without_servers_is_shown(
    run: Callable[..., Any], project: Callable[..., Project], tmp_path: Path
) -> None:
    """If no server answers, the models of the project files are shown, both servers are named, and nothing fails."""
    name = project().name
    away = {
        "REGROW_HOME": str(tmp_path / "state"),
        "REGROW_CONFIGS": str(tmp_path),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }
    result = run("status", **away)
    assert result.exit_code == 0, result.output
    assert name in result.stdout
    assert "MLflow does not answer" in result.stdout
    assert "Prefect does not answer" in result.stdout
    told = json.loads(run("status", "--json", **away).stdout)
    assert [model["name"] for model in told["models"]] == [name]
    assert len(told["away"]) == 2
