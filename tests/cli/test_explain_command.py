"""What `regrow explain` prints: for people a table that adds up, for programs one object."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from regrow.base.errors import RegistryError
from regrow.cli import explain_command
from regrow.cli.explain_command import SHOWN, as_json, headline, reasons_table, remarks
from regrow.lineage import explaining
from regrow.lineage.explaining import ExplainedPrediction
from regrow.models.explaining.attributions import Reasons


def explained(columns: int = 2, remark: str = "") -> ExplainedPrediction:
    """Make an explained prediction of *columns* columns, each smaller than the one before."""
    contributions = {f"c{n}": 1.0 / (n + 1) for n in range(columns)}
    total = -0.5 + sum(contributions.values())
    reasons = Reasons(0.73, True, "log-odds", -0.5, total, contributions, "trees")
    values: dict[str, Any] = dict.fromkeys(contributions, 2.5) | {"c1": None}
    at = datetime(2024, 3, 1, 6, tzinfo=UTC)
    return ExplainedPrediction("p-1", "demo", 2, at, values, 0.73, reasons, remark)


def printed(found: ExplainedPrediction) -> list[list[str]]:
    """Return the table's lines, each as its words."""
    console = Console(width=100)
    with console.capture() as captured:
        console.print(reasons_table(found))
    return [line.split() for line in captured.get().splitlines() if line.strip()]


def test_base_contributions_and_sum_stand_under_each_other() -> None:
    """The largest column comes first, a gap is called missing, and the last line is the sum."""
    lines = printed(explained())
    assert lines[-4:] == [["base", "-0.5"], ["c0", "2.5", "+1"], ["c1", "missing", "+0.5"], ["sum", "+1"]]
    assert headline(explained()).startswith("p-1 = 0.73, the probability of True: demo version 2")


def test_many_columns_end_in_one_line() -> None:
    """Beyond the first twenty the others are added up, so that the table still adds up."""
    lines = printed(explained(SHOWN + 5))
    rest = sum(1.0 / (n + 1) for n in range(SHOWN, SHOWN + 5))
    assert lines[-2] == ["5", "others", f"{rest:+.4g}"]


def test_the_scale_and_what_differs_are_told() -> None:
    """A sum of log-odds is turned into the probability, and a prediction that is another today is told."""
    told = remarks(explained(remark="3 was logged"))
    assert told == ["the sum as a probability: 0.73; way: trees", "3 was logged"]


def test_programs_get_one_object(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json nothing but the object is printed, with every contribution in order."""
    monkeypatch.setattr(explain_command, "reach_servers", lambda prefect: None)
    monkeypatch.setattr(explaining, "explain_prediction", lambda asked: explained())
    result = run("explain", "p-1", "--json")
    assert result.stdout == as_json(explained()) + "\n"
    assert list(json.loads(result.stdout)["reasons"]["contributions"]) == ["c0", "c1"]


def test_an_unknown_id_is_an_error(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the log does not have is one line on stderr and exit code 1."""

    def refuse(asked: str) -> None:
        raise RegistryError(f"{asked}: no such prediction")

    monkeypatch.setattr(explain_command, "reach_servers", lambda prefect: None)
    monkeypatch.setattr(explaining, "explain_prediction", refuse)
    result = run("explain", "p-9")
    assert (result.exit_code, "p-9: no such prediction" in result.stderr) == (1, True)
