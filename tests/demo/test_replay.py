"""How the replay reads the fate of a retraining."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from regrow.base.verdict import Finding, Verdict, combine
from regrow.demo import replay
from regrow.project import Project


def finding(result: Any, **more: Any) -> Finding:
    return Finding(rule=f"a rule that says {result}", result=result, detail=f"it is {result}", **more)


MEASURED: dict[str, Any] = {
    "result": "pass",
    "figure": 0.7,
    "interval": (0.66, 0.74),
    "detail": "roc_auc is 0.7",
}
GAINED: dict[str, Any] = {"result": "pass", "figure": 0.0123, "interval": (0.004, 0.02), "detail": "a gain"}


def verdict(decision: Any, *findings: Finding) -> Verdict:
    return Verdict(decision=decision, result=combine(findings), reason="because", findings=findings)


def test_the_year_is_april_to_december() -> None:
    """Nine months that follow each other without a gap."""
    months = replay.months()
    assert (months[0][0], months[-1][1]) == (
        datetime(2013, 4, 1, tzinfo=UTC),
        datetime(2014, 1, 1, tzinfo=UTC),
    )
    assert [end for _, end in months[:-1]] == [start for start, _ in months[1:]]
    assert len(months) == 9


@pytest.mark.parametrize(
    ("decided", "told"),
    [
        (verdict("promote", finding("pass")), "rolling out"),
        (verdict("retrain", finding("fail")), "declined"),
        (verdict("promote", finding("fail")), "refused"),
        (verdict("promote", finding("undecided")), "refused"),
        (verdict("rollout", finding("fail")), "put back"),
    ],
)
def test_an_outcome_is_a_word(decided: Verdict, told: str) -> None:
    """What did not pass is never told as a success, undecided included."""
    assert replay.outcome(decided) == told


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ([finding("pass"), finding("fail"), finding("undecided")], "it is fail"),
        ([finding("pass"), finding("undecided")], "it is undecided"),
        (
            [
                Finding(rule="roc_auc at least 0.6", **MEASURED),
                Finding(rule="roc_auc better than the champion's by more than 0, 95% sure", **GAINED),
            ],
            "+0.012 (≥ +0.004)",
        ),
        ([Finding(rule="roc_auc at least 0.8", **{**MEASURED, "result": "fail"})], "roc_auc is 0.7"),
        ([finding("pass")], "it is pass"),
        ([], "because"),
    ],
)
def test_the_gist_is_what_decided(findings: list[Finding], told: str) -> None:
    """The first failure, else what is undecided, else the gain with its lower bound."""
    assert replay.gist(verdict("promote", *findings)) == told


@pytest.mark.parametrize(("decision", "trains"), [("retrain", False), ("promote", True)])
def test_a_champion_that_is_too_young_brings_no_training(
    monkeypatch: pytest.MonkeyPatch, decision: Any, trains: bool
) -> None:
    """The schedule asks the policy; only what was trained is told as a retraining of the month."""
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(replay.orchestrator, "run_flow", lambda *words: asked.append(words) or "a run")
    monkeypatch.setattr(replay.orchestrator, "parent_run", lambda project, run: run)
    monkeypatch.setattr(replay.orchestrator, "read_verdict", lambda _: verdict(decision, finding("fail")))
    as_of, project = datetime(2013, 6, 1, tzinfo=UTC), cast(Project, "flights")
    assert replay.retrain_by_schedule(project, as_of) == ("a run" if trains else None)
    assert asked == [("retrain", project, as_of, "schedule")]
