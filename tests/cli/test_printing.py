"""What people read of a verdict."""

from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.text import Text

from regrow.base.verdict import RESULTS, Finding, Verdict
from regrow.cli.command_result import CommandResult
from regrow.cli.printing import describe_state, findings_table, headline, show
from regrow.models.results import Scored
from regrow.project import Canary
from regrow.registry import Rollout, State

AT = datetime(2024, 3, 1, tzinfo=UTC)


def test_what_failed_comes_first_and_markup_is_text() -> None:
    """Failures stand first, then what is undecided; a value's own brackets are not taken for a colour."""
    findings = (
        Finding(
            rule="roc_auc at least 0.6",
            result="pass",
            figure=0.71234,
            limit=0.6,
            interval=(0.7, 0.72),
            rows=16373,
            units=18,
            unit="day",
        ),
        Finding(rule="drift of [bold]", result="undecided", detail="3 rows"),
        Finding(rule="missing values", result="fail", figure=0.5, limit=0.1),
    )
    console = Console(width=120)
    with console.capture() as shown:
        console.print(
            findings_table(Verdict(decision="monitor", result="fail", reason="", findings=findings))
        )
    firsts = [line.split()[0] for line in shown.get().splitlines() if line.strip()]
    rows = [first for first in firsts if first in RESULTS]
    assert rows == ["fail", "undecided", "pass"]
    assert "drift of [bold]: 3 rows" in shown.get()
    assert "0.7123" in shown.get() and "0.7 to 0.72" in shown.get() and "16,373" in shown.get()
    assert "18 days" in shown.get()


def test_each_headline_says_what_came_of_it() -> None:
    """The few words tell a refusal from a promotion, and name a rollout's outcome."""
    assert headline(Verdict(decision="promote", result="fail", reason="")) == "refused by its gates"
    assert headline(Verdict(decision="rollout", result="pass", reason="", outcome="hold")) == "rollout: hold"
    assert headline(Verdict(decision="retrain", result="undecided", reason="")) == "retrain: undecided"


def test_the_state_names_champion_and_challenger() -> None:
    """Who answers, who challenges, and with which share."""
    plan = Canary(kind="canary", shadow_rows=10, weights=(0.2, 0.5))
    rollout = Rollout(id="v2", plan=plan, stage=1, since=AT, began=AT, paused=True)
    state = State(champion=1, challenger=2, rollout=rollout)
    assert (
        describe_state(state) == "version 1 is the champion; version 2 challenges it and answers 20%, paused"
    )
    unseen = state.model_copy(update={"rollout": rollout.model_copy(update={"stage": 0, "paused": False})})
    assert describe_state(unseen).endswith("version 2 challenges it and is scored unseen (shadow)")
    assert describe_state(State()) == "no champion"


def test_what_does_not_apply_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a destination nothing is said of what was delivered, or is gone."""
    scored = Scored(version=1, rows=20, new=0)
    show(CommandResult("score", "churn", scored, {}, None), as_json=False)
    told = capsys.readouterr().out
    assert ("churn: scored" in told, "delivered" in told, "gone" in told) == (True, False, False)
    assert [line.split() for line in told.splitlines() if line.startswith("new")] == [["new", "0"]]


def test_what_is_only_noted_is_told_so() -> None:
    """A finding that did not pass and decides nothing does not look like what made the verdict fail."""
    noted = Finding(rule="no column drifts", result="fail", noted=True)
    table = findings_table(Verdict(decision="monitor", result="pass", reason="r", findings=(noted,)))
    assert list(table.columns[0].cells) == [Text("fail, noted")]
