"""The laws of the gates that refuse only what is proven."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
)
from model_facts import NOWHERE, make_facts

from regrow.base.verdict import Finding
from regrow.decisions.gates import decide
from regrow.decisions.refusals import refuted
from regrow.models.results import Candidate, Evaluation
from regrow.project import CalibrationGate, EvaluationPlan, FairnessGate, Gate, RobustnessGate

CANDIDATE = Candidate(model_id="m-1", run_id="r", recipe="x", facts=make_facts(False, True, project="tiny"))
ODDS = FairnessGate(kind="fairness", column="sex", ask="equalized_odds", at_most=0.1)
PARITY = FairnessGate(kind="fairness", column="sex", at_most=0.1)
CALIBRATED = CalibrationGate(kind="calibration", at_most=0.05)


def judge(gate: Gate, frame: pd.DataFrame, candidate: Candidate = CANDIDATE, **changes: object) -> Finding:
    """Judge rows that stand in days by one gate."""
    evaluation = Evaluation(
        candidate=candidate, champion_version=None, rows=len(frame), metrics={"roc_auc": 0.7},
        baseline={"roc_auc": 0.5}, champion=None, slices=(), predictions=NOWHERE,
    ).model_copy(update=changes)  # fmt: skip
    (finding,) = decide(EvaluationPlan(primary="roc_auc", gates=(gate,)), evaluation, frame, "day").findings
    return finding


def drawn(seed: int, days: int = 60, per_day: int = 50, shared: float = 0.0) -> pd.DataFrame:
    """Draw calibrated probabilities and what happened; days differ, together, by *shared* on the scale of the logit."""
    random = np.random.default_rng(seed)
    rows = days * per_day
    probability = 1 / (1 + np.exp(-random.normal(scale=1.5, size=rows)))
    luck = np.repeat(random.normal(scale=shared, size=days), per_day)
    happened = random.random(rows) < 1 / (1 + np.exp(-(np.log(probability / (1 - probability)) + luck)))
    return pd.DataFrame(
        {
            "target": happened,
            "candidate": probability,
            "baseline": 0.5,
            "unit": np.repeat(np.arange(days), per_day),
            "time": pd.array(np.arange(rows) * 1000, dtype="Int64"),
            "slice.sex": random.choice(["f", "m"], rows),
        }
    )


@pytest.mark.parametrize(
    ("ask", "theirs"),
    [
        ("demographic_parity", demographic_parity_difference),
        ("equal_opportunity", equal_opportunity_difference),
        ("equalized_odds", equalized_odds_difference),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_differences_are_those_of_fairlearn(ask: Any, theirs: Callable[..., float], seed: int) -> None:
    """Of three groups, one of which is favoured, the greatest difference that is told is Fairlearn's."""
    frame = drawn(seed)
    frame["slice.sex"] = np.random.default_rng(seed).choice(["f", "m", "x"], len(frame), p=[0.4, 0.4, 0.2])
    favoured = {"f": 0.0, "m": 0.1, "x": 0.4}
    frame["candidate"] = np.minimum(frame["candidate"] + frame["slice.sex"].map(favoured), 1)
    gate = FairnessGate(kind="fairness", column="sex", ask=ask, at_most=0.05)
    expected = theirs(
        frame["target"], frame["candidate"] >= 0.5, sensitive_features=frame["slice.sex"].to_numpy()
    )
    told = re.findall(r"against \w \([a-z ]+\) (-?\d\.\d{4})", judge(gate, frame).detail)
    assert max(abs(float(each)) for each in told) == pytest.approx(expected, abs=0.00005001)


def test_groups_that_are_decided_about_alike_pass() -> None:
    """The greatest difference between two groups is told, with its interval, of the rows and days."""
    finding = judge(PARITY, drawn(1))
    assert finding.passed
    assert finding.rule == "demographic parity between every sex within 0.1"
    assert finding.figure is not None
    assert finding.interval is not None
    assert abs(finding.figure) < 0.1
    assert finding.interval[0] < finding.figure < finding.interval[1]
    assert (finding.rows, finding.units, finding.unit) == (3000, 60, "day")
    assert "f against m (chosen)" in finding.detail


def test_a_group_that_is_chosen_more_often_is_found() -> None:
    """The figure is the difference of the shares that are chosen, of all rows and by what is true."""
    frame = drawn(2)
    frame.loc[frame["slice.sex"] == "m", "candidate"] **= 0.5
    shares = (frame["candidate"] >= 0.5).groupby(frame["slice.sex"]).mean()
    finding = judge(PARITY, frame)
    assert finding.failed
    assert finding.figure == pytest.approx(shares["f"] - shares["m"])
    odds = judge(ODDS, frame)
    assert odds.failed
    assert "chosen of the positive" in odds.detail
    assert "chosen of the negative" in odds.detail


def test_the_decision_is_by_the_models_own_threshold() -> None:
    """A model that decides at 0.9 is judged by what it decides there."""
    frame = drawn(3)
    frame.loc[frame["slice.sex"] == "m", "candidate"] = 0.6
    frame.loc[frame["slice.sex"] == "f", "candidate"] = 0.4
    assert judge(PARITY, frame).failed
    assert judge(PARITY, frame, thresholds={"candidate": 0.9}).passed


def test_one_group_alone_or_three_classes_are_undecided() -> None:
    """A gate that compares nothing says what is missing, and does not pass."""
    finding = judge(PARITY, drawn(4).assign(**{"slice.sex": "m"}))
    assert finding.undecided
    assert "fewer than two sex have 200 rows" in finding.detail
    several = CANDIDATE.model_copy(update={"facts": make_facts("a", "b", "c", project="tiny")})
    frame = drawn(4).assign(target="a", candidate=[[0.5, 0.3, 0.2]] * 3000)
    assert judge(PARITY, frame, several).undecided


def test_probabilities_that_are_off_are_found_where_they_are_off() -> None:
    """Calibrated ones pass; those that are too sure are refused, and the part that shows it is named."""
    assert judge(CALIBRATED, drawn(5)).passed
    frame = drawn(5)
    odds = frame["candidate"] / (1 - frame["candidate"])
    frame["candidate"] = odds**3 / (1 + odds**3)
    finding = judge(CALIBRATED, frame)
    assert finding.failed
    assert finding.figure is not None
    assert abs(finding.figure) > 0.05
    assert "proven beyond it" in finding.detail


def test_equal_probabilities_are_one_part() -> None:
    """A model that says the same of all rows is judged by one comparison."""
    finding = judge(CALIBRATED, drawn(6).assign(candidate=lambda rows: rows["target"].mean()))
    assert finding.passed
    assert "none of 1 proven" in finding.detail


def test_each_class_of_several_is_judged() -> None:
    """The probabilities of a class that is always said too low are refused by its name."""
    several = CANDIDATE.model_copy(update={"facts": make_facts("a", "b", "c", project="tiny")})
    frame = drawn(7)
    target = np.random.default_rng(7).choice(["a", "b", "c"], len(frame), p=[0.5, 0.3, 0.2])
    right = frame.assign(target=target, candidate=[[0.5, 0.3, 0.2]] * len(frame))
    assert judge(CALIBRATED, right, several).passed
    wrong = frame.assign(target=target, candidate=[[0.4, 0.4, 0.2]] * len(frame))
    finding = judge(CALIBRATED, wrong, several)
    assert finding.failed
    assert "'a' 0.400 to 0.400" in finding.detail
    assert "'c'" not in finding.detail


def test_a_faultless_model_is_seldom_refused_for_days_that_differ() -> None:
    """Days that differ together make each part swing; by unit 5 of 100 faultless models are refused at most."""
    gate = CALIBRATED.model_copy(update={"at_most": 0.02})
    refused = sum(judge(gate, drawn(seed, days=30, per_day=40, shared=0.5)).failed for seed in range(100))
    assert refused <= 10  # 1 of 1,000 samples has more than that if the level is 5 %


def test_a_newest_part_that_is_worse_is_found() -> None:
    """A model that has got worse within the holdout is refused; one that has not passes."""
    gate = RobustnessGate(kind="robustness", newest=0.3, at_most=0.05)
    frame = drawn(8)
    kept = judge(gate, frame)
    assert kept.passed
    assert "on the newest part" in kept.detail
    newest = frame.index >= 2100
    frame.loc[newest, "candidate"] = np.random.default_rng(8).random(900)
    finding = judge(gate, frame)
    assert finding.failed
    assert finding.figure is not None
    assert finding.limit is not None
    assert finding.figure < -0.2 < finding.limit == -0.05


def test_a_holdout_of_a_few_days_has_no_newest_part() -> None:
    """With fewer than ten days on a side, or no time at all, nothing is told."""
    gate = RobustnessGate(kind="robustness", newest=0.3)
    assert judge(gate, drawn(9, days=20)).undecided
    assert judge(gate, drawn(9).assign(time=pd.array([pd.NA] * 3000, dtype="Int64"))).undecided


def test_holms_steps_name_each_one_that_is_proven() -> None:
    """Each step asks a little less; the first that is not proven ends it."""
    assert refuted({"a": 0.03, "b": 0.001, "c": 0.02}, 0.05) == ["b", "c", "a"]
    assert refuted({"a": 0.03, "b": 0.02, "c": 0.9}, 0.05) == []
