"""`regrow backtest`, from the file to the page."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from small_past import past_rows, project_of

from regrow.cli.backtest_command import usual_span


def test_a_backtest_needs_no_server(run: Callable[..., Any], tmp_path: Path) -> None:
    """It prints one JSON object, writes the page, and says that MLflow kept nothing."""
    project, home = project_of(tmp_path), tmp_path / "home"
    past_rows(45).to_csv(tmp_path / "rows.csv", index=False)
    answer = run(
        "backtest", project.path, "--start", "2024-01-31", "--every", "10d", "--policies", "never,30d",
        "--gates", "none", "--json", REGROW_HOME=str(home), MLFLOW_TRACKING_URI="http://127.0.0.1:9",
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert [each["policy"] for each in told["policies"]][:2] == ["file", "never, gates none"]
    assert told["recommended"]["name"] in {each["policy"] for each in told["policies"]}
    assert Path(told["links"]["page"]).read_text().startswith("<!doctype html>")
    assert "does not answer" in told["links"]["MLflow"]


def test_what_is_asked_wrongly_is_named(run: Callable[..., Any], tmp_path: Path) -> None:
    """The option and the word."""
    project = project_of(tmp_path)
    answer = run("backtest", project.path, "--every", "often", REGROW_HOME=str(tmp_path / "home"))
    assert answer.exit_code == 1
    assert "--every often" in answer.output


def test_looks_are_those_of_the_schedule(tmp_path: Path) -> None:
    """Without a schedule they lie a window apart."""
    assert usual_span(project_of(tmp_path)).days == 30
