"""The laws of a rollout's analysis."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, ndtri
from scipy.stats import beta, binom, norm

from regrow.base.verdict import Finding, Verdict
from regrow.decisions.rollout import harm, operations, sequential
from regrow.decisions.rollout.analysis import analyse, conclude_ab
from regrow.decisions.rollout.evidence import Answers, Arm, Evidence, Pairs, SampleRatio
from regrow.decisions.units import Units
from regrow.project import Ab, Canary, Metric, RolloutLimits, Shadow, Unit

CLASSES = (False, True)
HOUR = timedelta(hours=1)
CANARY = Canary(kind="canary")
SHADOW = Shadow(kind="shadow", least_rows=500)


def scores(rows: int, seed: int, loss: float = 0.0, correlation: float = 0.9) -> Pairs:
    """Draw a champion of AUC 0.75 and a challenger *loss* below it, on rows of which a fifth is positive."""
    random = np.random.default_rng(seed)
    target = random.random(rows) < 0.2
    noise = random.normal(size=(2, rows))
    own = correlation * noise[0] + np.sqrt(1 - correlation**2) * noise[1]
    means = [np.sqrt(2) * ndtri(0.75 - lost) for lost in (0.0, loss)]
    positive = [expit(mean * target + part) for mean, part in zip(means, (noise[0], own), strict=True)]
    champion, challenger = (np.column_stack([1 - p, p]) for p in positive)
    return Pairs(champion, challenger, target, np.ones(rows, dtype=np.bool_))


def arm(rows: int, failures: int = 0, median: float = 0.01, seed: int = 0) -> Arm:
    return Arm(rows, rows, failures, np.random.default_rng(seed).lognormal(np.log(median), 0.5, rows))


def evidence(rows: int = 1_000, **changed: Arm | Pairs) -> Evidence:
    """Return two alike versions on *rows*, but for what is *changed*."""
    alike = Evidence(arm(rows), arm(rows, seed=1), scores(rows, 0))
    return replace(alike, **changed)


def look(seen: Evidence, plan: Shadow | Canary = CANARY, metric: Metric = "roc_auc") -> Verdict:
    return analyse(plan, 0, seen, HOUR, metric, CLASSES)


def finding(verdict: Verdict, word: str) -> Finding:
    return next(found for found in verdict.findings if word in found.rule)


def first(pairs: Pairs, rows: int) -> Pairs:
    return reorder(pairs, np.arange(rows))


def reorder(pairs: Pairs, rows: np.ndarray) -> Pairs:
    return Pairs(pairs.champion[rows], pairs.challenger[rows], pairs.target[rows], pairs.labelled[rows])


def test_alike_versions_advance() -> None:
    """A challenger that breaks no limit advances once it has the rows, and says so."""
    verdict = look(evidence())
    assert (verdict.outcome, verdict.passed, verdict.decision) == ("advance", True, "rollout")
    assert "1000 of 500 rows" in verdict.reason


def test_a_hold_says_what_is_missing() -> None:
    """Rows, time and labels are each named with what there is and what is asked."""
    plan = Canary(kind="canary", least_time=HOUR, least_labels=400)
    verdict = analyse(plan, 0, evidence(312), timedelta(minutes=40, seconds=7), "roc_auc", CLASSES)
    assert verdict.outcome == "hold"
    assert verdict.undecided
    assert verdict.reason == "312 of 500 rows; 312 of 400 labelled rows; 40m of 1h"


def test_a_verdict_survives_its_record() -> None:
    """Written as JSON and read back it is the same, so no bound in it is infinite or missing."""
    for seen in (evidence(), evidence(3), evidence(0)):
        verdict = look(seen)
        assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


LEVEL = 0.2
"""Share of the runs that may be rolled back wrongly: the plan asks for a confidence of 80 %."""
MEASURED = 0.04
"""The bounds leave room: under 1 % are (docs/rollout-statistics.md), and of 1 % more than this is 1 test in 300."""


def share_rolled_back_at_every_limit(runs: int = 100) -> float:
    """Return the share of *runs* that roll back at any of 10 looks, with the challenger exactly at every limit."""
    plan = Canary(kind="canary", weights=(0.5,), limits=RolloutLimits(confidence=1 - LEVEL, failures=0.02))
    wrong = 0
    for run in range(runs):
        random, pairs = np.random.default_rng(run), scores(2_000, 1_000 + run)
        failed = random.random((2, 2_000)) < [[0.03], [0.05]]
        seconds = random.lognormal(0, 0.5, (2, 2_000)) * [[1.0], [2.0]]
        pairs.champion[failed[0]] = np.nan
        pairs.challenger[failed[1]] = np.nan
        for rows in np.geomspace(100, 2_000, 10).astype(int):
            arms = [Arm(rows, rows, int(failed[side, :rows].sum()), seconds[side, :rows]) for side in (0, 1)]
            if look(Evidence(arms[0], arms[1], first(pairs, rows)), plan).outcome == "roll back":
                wrong += 1
                break
    return wrong / runs


@pytest.mark.long
def test_level_over_all_looks() -> None:
    """At every limit at once, far fewer runs than the fifth that is allowed roll back at any of 10 looks."""
    assert share_rolled_back_at_every_limit() <= MEASURED < LEVEL


@pytest.mark.long
def test_bounds_for_one_look_would_fail_that_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """With bounds that hold at one look only, as sure at each look, four times as many runs roll back."""

    def lower_rate(count: float, rows: int, alpha: float) -> float:
        return float(beta.ppf(alpha, count, rows - count + 1)) if count else 0.0

    def lower_excess(worse: float, better: float, rows: int, alpha: float) -> float:
        mean = (worse - better) / rows
        return mean - norm.isf(alpha) * np.sqrt(((worse + better) / rows - mean**2) / rows)

    def fewest_below(rows: int, level: float, alpha: float) -> int:
        return int(binom.ppf(alpha, rows, level))

    def of_one_look(gains: np.ndarray) -> float:
        return float(-norm.logsf(-gains.sum() / np.sqrt(np.sum(gains**2))))

    monkeypatch.setattr(operations, "lower_rate", lower_rate)
    monkeypatch.setattr(
        operations, "upper_rate", lambda count, rows, alpha: 1 - lower_rate(rows - count, rows, alpha)
    )
    monkeypatch.setattr(operations, "lower_excess", lower_excess)
    monkeypatch.setattr(sequential, "_fewest_below", fewest_below)
    monkeypatch.setattr(harm, "log_evidence_of_loss", of_one_look)
    assert share_rolled_back_at_every_limit() > 3 * MEASURED


@pytest.mark.parametrize("seed", range(5))
def test_two_points_worse_is_rolled_back(seed: int) -> None:
    """A loss of 0.02 of AUC on 25,000 rows that both scored is found, and told by how much."""
    verdict = look(evidence(pairs=scores(25_000, seed, loss=0.02)))
    assert verdict.outcome == "roll back"
    assert "worse, limit 0" in verdict.reason
    assert finding(verdict, "roc_auc").figure == pytest.approx(-0.02, abs=0.01)


def test_a_tolerated_loss_is_not_rolled_back() -> None:
    """The same loss within `metric_loss` stays."""
    plan = Canary(kind="canary", limits=RolloutLimits(metric_loss=0.03))
    assert look(evidence(pairs=scores(25_000, 0, loss=0.02)), plan).outcome == "advance"


def test_the_same_predictions_never_roll_back() -> None:
    """Two versions that say the same have no gain, and no doubt of it."""
    pairs = scores(500, 0, correlation=1.0)
    verdict = look(evidence(pairs=replace(pairs, challenger=pairs.champion.copy())))
    assert verdict.outcome == "advance"
    assert finding(verdict, "roc_auc").interval == (0.0, 0.0)


def test_failures_in_canary_roll_back() -> None:
    """25 failures in 500 requests, against a champion that has none in 9,500, are found and counted."""
    verdict = look(evidence(champion=arm(9_500), challenger=arm(500, failures=25)))
    assert verdict.outcome == "roll back"
    assert "25 of 500 requests" in verdict.reason


def test_failures_in_shadow_roll_back() -> None:
    """When both scored the same 500 rows, those that only the challenger failed on decide."""
    pairs = scores(500, 0)
    pairs.challenger[:25] = np.nan
    verdict = look(evidence(500, challenger=arm(500, failures=25), pairs=pairs), SHADOW)
    assert verdict.outcome == "roll back"
    assert "the challenger alone failed 25" in verdict.reason


def test_counts_alone_roll_back_in_shadow() -> None:
    """The same 25 failures are found if the pairs lack the failed rows."""
    verdict = look(evidence(500, challenger=arm(500, failures=25), pairs=scores(475, 0)), SHADOW)
    assert verdict.outcome == "roll back"
    assert "challenger failed 25 of 500 requests, champion 0 of 500" in verdict.reason


def test_a_broken_split_holds_and_says_so() -> None:
    """A challenger that is asked for a tenth instead of half does not advance; failures still roll it back."""
    split = SampleRatio(0.5, 1_000, 100)
    verdict = look(replace(evidence(), ratio=split))
    assert (verdict.outcome, verdict.reason.split(":")[0]) == ("hold", "broken split")
    fair = look(replace(evidence(), ratio=SampleRatio(0.5, 1_000, 510)))
    assert fair.outcome == "advance"
    failing = replace(evidence(champion=arm(9_500), challenger=arm(500, failures=25)), ratio=split)
    assert look(failing).outcome == "roll back"


def test_failures_that_both_share_do_not_count() -> None:
    """Rows on which both fail are no excess."""
    pairs = scores(500, 0)
    pairs.challenger[:100] = np.nan
    pairs.champion[:100] = np.nan
    both = evidence(500, champion=arm(500, failures=100), challenger=arm(500, failures=100), pairs=pairs)
    assert look(both, SHADOW).outcome == "advance"


@given(failures=st.integers(0, 499), more=st.integers(1, 100))
@settings(max_examples=40, deadline=None)
def test_more_failures_never_help(failures: int, more: int) -> None:
    """What is rolled back with some failures is rolled back with more."""
    few, many = (
        look(evidence(challenger=Arm(500, 500, min(count, 500), arm(500).seconds), pairs=scores(50, 0)))
        for count in (failures, failures + more)
    )
    assert few.outcome != "roll back" or many.outcome == "roll back"


def test_three_times_as_slow_rolls_back() -> None:
    """Three times the champion's time to answer breaks a limit of two, within 500 requests; 1.5 times does not."""
    slow = look(evidence(champion=arm(9_500), challenger=arm(500, median=0.03, seed=1)))
    assert slow.outcome == "roll back"
    assert "p50 of the time to answer" in slow.failures[0].rule
    assert look(evidence(champion=arm(9_500), challenger=arm(500, median=0.015, seed=1))).outcome == "advance"


def test_slow_at_its_slowest_only_rolls_back() -> None:
    """A twentieth of the requests taking five times as long is found by p99, not by p50."""
    seconds = arm(5_000, seed=1).seconds
    seconds[np.argsort(seconds)[-250:]] *= 5
    verdict = look(evidence(5_000, challenger=Arm(5_000, 5_000, 0, seconds)))
    assert [found.rule[:3] for found in verdict.failures] == ["p99"]


def test_disagreement_and_shift_roll_back_where_asked() -> None:
    """A challenger that decides otherwise, and whose probabilities moved, breaks the limits on both."""
    pairs = scores(3_000, 0)
    pairs.challenger[:] = np.column_stack([pairs.challenger[:, 0] / 2, 1 - pairs.challenger[:, 0] / 2])
    limits = RolloutLimits(disagreement=0.2, shift=0.2)
    verdict = look(evidence(pairs=pairs), Canary(kind="canary", limits=limits))
    assert {found.rule.split()[0] for found in verdict.failures} == {"the", "distributions"}
    assert look(evidence(pairs=pairs)).outcome == "advance"


def test_too_few_labels_are_undecided() -> None:
    """With fewer than 50 of the rarest class an AUC is not judged, however bad it looks."""
    pairs = scores(2_000, 0)
    pairs.target[np.flatnonzero(pairs.target)[49:]] = False
    pairs.challenger[:] = 1 - pairs.challenger
    found = finding(look(evidence(pairs=pairs)), "roc_auc")
    assert found.undecided
    assert found.detail == "49 of 50 labelled rows of the rarest class"


def test_an_undecided_limit_neither_rolls_back_nor_holds() -> None:
    """If no labels are asked for, a metric that nobody can judge yet does not stop the stage, and is named."""
    pairs = scores(2_000, 0)
    pairs.labelled[:] = False
    verdict = look(evidence(pairs=pairs))
    assert (verdict.outcome, verdict.counts["fail"], verdict.counts["undecided"]) == ("advance", 0, 1)
    assert "undecided: roc_auc at most 0 worse than the champion's (0 of 100 labelled rows)" in verdict.reason


def test_few_rows_break_no_limit_and_keep_none() -> None:
    """Rows so few that even the worst of them would prove nothing leave every limit undecided."""
    limits = RolloutLimits(disagreement=0.5, shift=0.5)
    verdict = look(evidence(3), Canary(kind="canary", limits=limits))
    assert verdict.outcome == "hold"
    assert {found.result for found in verdict.findings if "in this stage" not in found.rule} == {"undecided"}


def test_a_handful_of_rows_does_not_decide() -> None:
    """If the two differ on twenty rows of one step only, the loss on them is not yet proof."""
    pairs = scores(2_000, 0)
    pairs.challenger[:] = pairs.champion
    pairs.challenger[:20] = np.where(pairs.target[:20, None], [0.999, 0.001], [0.001, 0.999])
    found = finding(look(evidence(pairs=pairs), metric="log_loss"), "log_loss")
    assert found.passed
    assert found.figure is not None
    assert found.figure < 0


def test_whole_units_are_awaited() -> None:
    """A stage that asks for days advances with that many, however many rows there are, and says how many it has."""
    plan = Canary(kind="canary", least_units=5)
    days = Units(np.arange(1_000) // 250, "day")
    verdict = look(evidence(pairs=replace(scores(1_000, 0), units=days)), plan)
    assert (verdict.outcome, verdict.reason) == ("hold", "4 of 5 days")
    asked = finding(verdict, "whole units")
    assert (asked.figure, asked.rows, asked.units, asked.unit) == (4, 1_000, 4, "day")
    more = replace(scores(1_000, 0), units=Units(np.arange(1_000) // 200, "day"))
    assert look(evidence(pairs=more), plan).outcome == "advance"


def test_rows_without_a_label_are_no_evidence_of_the_metric() -> None:
    """What stands for the missing labels does not matter."""
    pairs = scores(2_000, 0, loss=0.1)
    labelled = np.arange(2_000) < 1_000
    known = replace(pairs, labelled=labelled)
    other = replace(known, target=np.where(labelled, pairs.target, np.logical_not(pairs.target)))
    assert look(evidence(pairs=known)) == look(evidence(pairs=other))
    assert 0.9 * 1_000 < (finding(look(evidence(pairs=known)), "roc_auc").rows or 0) <= 1_000


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "f1"])
def test_the_order_of_the_rows_does_not_matter(metric: Metric) -> None:
    """The same rows in another order give the same findings, but for the metric's: those are bet on in their order."""
    pairs = scores(1_500, 0)
    shuffled = reorder(pairs, np.random.default_rng(5).permutation(1_500))
    for one, other in zip(
        look(evidence(pairs=pairs), metric=metric).findings,
        look(evidence(pairs=shuffled), metric=metric).findings,
        strict=True,
    ):
        ordered = one.rule.startswith(metric)
        assert one.figure == pytest.approx(other.figure, abs=0.02 if ordered else 1e-9)
        assert ordered or one.interval == pytest.approx(other.interval, abs=1e-9)
        assert (one.rule, one.result) == (other.rule, other.result)


def test_named_classes_and_many_of_them() -> None:
    """Labels are found by the model's own names; a metric over three classes is judged as one over two."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 3, 2_000)
    names = np.array(["fine", "late", "lost"])
    good = random.dirichlet([1, 1, 1], 2_000) + 0.5 * np.eye(3)[codes]
    champion = good / good.sum(axis=1, keepdims=True)
    pairs = Pairs(champion, champion[random.permutation(2_000)], names[codes], np.ones(2_000, dtype=np.bool_))
    for metric in ("roc_auc", "log_loss", "f1"):
        limits = RolloutLimits(shift=0.3)
        plan = Canary(kind="canary", limits=limits)
        verdict = analyse(plan, 0, evidence(pairs=pairs), HOUR, metric, tuple(names))
        assert [found.rule.split()[0] for found in verdict.failures] == [metric]


def test_a_regression_is_judged_by_its_distance() -> None:
    """Disagreement is more than a standard deviation apart; a worse error rolls back, whichever sign it has."""
    random = np.random.default_rng(0)
    target = random.normal(size=2_000)
    pairs = Pairs(target, target + 2, target, np.ones(2_000, dtype=np.bool_))
    plan = Canary(kind="canary", limits=RolloutLimits(disagreement=0.5, shift=0.5))
    noisy = replace(pairs, champion=target + 0.1 * random.normal(size=2_000), challenger=target + 2)
    verdict = analyse(plan, 0, evidence(pairs=noisy), HOUR, "rmse")
    assert verdict.outcome == "roll back"
    assert {found.rule.split()[0] for found in verdict.failures} == {"the", "distributions"} | {"rmse"}


def arms(rows: int, seed: int, loss: float) -> tuple[Answers, Answers]:
    """Draw two arms of *rows* each, of different entities."""
    old, new = scores(rows, seed), scores(rows, seed + 1, loss=loss)
    return (
        Answers(old.champion, old.target, old.labelled),
        Answers(new.challenger, new.target, new.labelled),
    )


@pytest.mark.parametrize(
    ("loss", "rows", "outcome"),
    [
        (0.08, 5_000, "worse"),
        (-0.08, 5_000, "better"),
        (0.0, 19_000, "hold"),
        (0.0, 20_000, "no difference"),
        (0.3, 900, "hold"),
    ],
)
def test_an_ab_comparison_ends_with_what_is_proven(loss: float, rows: int, outcome: str) -> None:
    """Better and worse once proven, hold while neither is, no difference when the rows are spent."""
    plan = Ab(kind="ab", least_rows=1_000, greatest_rows=20_000)
    verdict = conclude_ab(plan, *arms(rows, 3, loss), evidence(rows), "roc_auc", CLASSES)
    assert verdict.outcome == outcome
    assert verdict.passed == (outcome == "better")
    assert verdict.undecided == (outcome == "hold")


def test_a_difference_too_small_to_matter_is_none() -> None:
    """If the whole interval lies within the smallest difference, the comparison ends before its rows do."""
    plan = Ab(kind="ab", least_rows=1_000, greatest_rows=20_000, smallest_difference=0.05)
    verdict = conclude_ab(plan, *arms(15_000, 3, 0.0), evidence(15_000), "roc_auc", CLASSES)
    assert verdict.outcome == "no difference"
    assert "no difference of 0.05 or more" in verdict.reason


def of_days(
    seed: int, days: int, unit: Unit, own: float = 0.3, per_day: int = 100
) -> tuple[Answers, Answers]:
    """Draw two arms of equal mean error, of which the challenger is better on some days and worse on others."""
    random = np.random.default_rng(seed)
    day = np.arange(days * per_day) // per_day
    mine = random.random(len(day)) < 0.5
    error = 3 + random.normal(size=len(day)) + np.where(mine, own * random.normal(size=days)[day], 0)
    champion, challenger = (
        Answers(
            error[rows],
            np.zeros(rows.sum()),
            np.ones(rows.sum(), dtype=np.bool_),
            unit=unit,
            units=day[rows] if unit == "day" else None,
        )
        for rows in (~mine, mine)
    )
    return champion, challenger


def test_days_that_suit_one_version_are_no_proof() -> None:
    """Of equals that differ by day a comparison by day calls nobody better in 40 runs, one by row every third."""
    plan = Ab(kind="ab", metric="mae", least_rows=500, greatest_rows=1_400)
    called: dict[Unit, list[bool]] = {"day": [], "row": []}
    for seed in range(40):
        for unit, runs in called.items():
            verdict = conclude_ab(plan, *of_days(seed, 30, unit, own=1.0), evidence(500), "mae")
            runs.append(verdict.outcome in {"better", "worse"})
    assert sum(called["day"]) <= 4
    assert sum(called["row"]) >= 12


def test_an_ab_comparison_says_what_its_rows_are_worth() -> None:
    """Its finding carries rows, units, and the rows that would be as sure if each day were like the others."""
    plan = Ab(kind="ab", metric="mae", least_rows=500, greatest_rows=20_000)
    verdict = conclude_ab(plan, *of_days(0, 30, "day"), evidence(500), "mae")
    by_day, by_row = (
        verdict.findings[0],
        conclude_ab(plan, *of_days(0, 30, "row"), evidence(500), "mae").findings[0],
    )
    assert (by_day.units, by_day.unit, by_row.units, by_row.unit) == (30, "day", 3_000, "row")
    assert by_day.rows == by_row.rows == by_row.effective_rows
    assert by_day.effective_rows is not None
    assert by_day.effective_rows < 0.5 * (by_day.rows or 0)
    assert f"of 30 days, worth {by_day.effective_rows:,.0f} independent ones" in by_day.detail


def test_an_ab_comparison_waits_for_days_not_for_rows_alone() -> None:
    """Rows that are spent within three days end nothing: it holds for ten days, and those alone decide."""
    plan = Ab(kind="ab", metric="mae", least_rows=100, greatest_rows=150, smallest_difference=0.001)
    early = conclude_ab(plan, *of_days(0, 3, "day"), evidence(500), "mae")
    assert (early.outcome, early.reason) == ("hold", "3 days of 10 that it takes")
    assert early.findings[0].units == 3
    ten, more = (conclude_ab(plan, *of_days(0, days, "day"), evidence(500), "mae") for days in (10, 20))
    assert ten.outcome == more.outcome == "no difference"
    assert (ten.findings[0].units, more.findings[0].units) == (10, 10)


def test_a_failing_challenger_leaves_its_ab_comparison() -> None:
    """The limits hold during a comparison, whatever the metric says."""
    failing = evidence(5_000, challenger=arm(5_000, failures=500))
    verdict = conclude_ab(Ab(kind="ab"), *arms(5_000, 3, -0.08), failing, "roc_auc", CLASSES)
    assert verdict.outcome == "roll back"


def test_slow_shadows_are_no_slow_answers() -> None:
    """A shadow is scored in batches when nobody waits: however long that takes, no limit of latency is asked."""
    slow = evidence(2_000, challenger=arm(2_000, median=0.5))
    assert look(slow, SHADOW).outcome == "advance"
    assert look(slow, CANARY).outcome == "roll back"
