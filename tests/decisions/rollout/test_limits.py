"""Which limits are judged, and how the chance to err is shared among them."""

from typing import Any

import numpy as np
import pytest

from regrow.base.verdict import Finding
from regrow.decisions.rollout.evidence import Arm, Evidence, Pairs
from regrow.decisions.rollout.limits import judge_limits
from regrow.project import RolloutLimits

ROWS = 2_000


def evidence() -> Evidence:
    random = np.random.default_rng(0)
    predictions = random.normal(size=ROWS)
    pairs = Pairs(predictions, predictions, predictions, np.ones(ROWS, dtype=np.bool_))
    seconds = random.lognormal(-5, 0.5, ROWS)
    return Evidence(Arm(ROWS, ROWS, 0, seconds), Arm(ROWS, ROWS, 0, seconds), pairs)


def judged(limits: RolloutLimits | None = None, metric: Any = "rmse", **how: Any) -> tuple[Finding, ...]:
    return judge_limits(limits or RolloutLimits(), evidence(), metric, (), **how)


def test_the_rules_share_what_the_confidence_leaves() -> None:
    """Together they may err with 1 - confidence at most, also over the stages that a rule is asked in anew."""
    for stages in (1, 3):
        found = judged(RolloutLimits(confidence=0.9, shift=0.2, disagreement=0.2), stages=stages)
        spent = [(1 - (finding.confidence or 0)) for finding in found]
        anew = ["in this stage" in finding.rule or finding.rule.startswith("p") for finding in found]
        together = sum(share * (stages if again else 1) for share, again in zip(spent, anew, strict=True))
        assert together == pytest.approx(0.1)
        assert sum(anew) == 3


@pytest.mark.parametrize(
    ("changes", "how", "missing"),
    [
        ({"latency_p50": None, "latency_p99": None}, {}, "time to answer"),
        ({}, {"shadow": True}, "time to answer"),
        ({}, {"mirrored": False}, "both scored"),
        ({}, {"metric": None}, "rmse"),
        ({}, {}, "distributions"),
    ],
)
def test_what_is_not_asked_is_not_judged(changes: dict[str, Any], how: dict[str, Any], missing: str) -> None:
    """A limit set to null, times in shadow, pairs without mirroring, and no metric: no finding, and no share spent."""
    everything = judged(RolloutLimits(shift=0.2))
    assert any(missing in finding.rule for finding in everything)
    assert not any(missing in finding.rule for finding in judged(RolloutLimits(**changes), **how))
