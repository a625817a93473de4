"""The limits of a rollout, each judged by an always-valid bound: it fails only if it is proven broken."""

from collections.abc import Callable, Sequence
from functools import partial

from regrow.base.verdict import Finding
from regrow.decisions.rollout.agreement import judge_disagreement, judge_shift
from regrow.decisions.rollout.evidence import Evidence, Pairs
from regrow.decisions.rollout.harm import judge_harm
from regrow.decisions.rollout.operations import judge_failures, judge_latency, judge_paired_failures
from regrow.models.metrics import Label
from regrow.project import Metric, RolloutLimits

Rule = Callable[[float], Finding]
"""A rule that may err with the given probability, over all looks."""


def judge_limits(
    limits: RolloutLimits,
    evidence: Evidence,
    metric: Metric | None,
    classes: Sequence[Label],
    *,
    stages: int = 1,
    shadow: bool = False,
    mirrored: bool = True,
) -> tuple[Finding, ...]:
    """Judge every limit that is asked; *metric* None leaves the metric out.

    The rules share 1 - `limits.confidence` evenly (a union bound, so they may depend on one another at will). A rule
    on this stage's requests alone starts anew in each of *stages*, and divides its part among them. Without a
    *mirrored* row there is nothing to pair: those rules are left out. In *shadow* the challenger scores what the
    champion answers, in batches when nobody waits: its times say nothing of the time to answer, and are not judged.
    """
    failures = partial(judge_failures, evidence.champion, evidence.challenger, limits.failures, shadow)
    slow = _of_latency(limits, evidence)
    paired = _of_pairs(limits, evidence.pairs, metric, classes) if mirrored else []
    alpha = (1 - limits.confidence) / (1 + len(slow) + len(paired))
    anew = [failures] if shadow else [failures, *slow]
    return (*(rule(alpha / stages) for rule in anew), *(rule(alpha) for rule in paired))


def _of_latency(limits: RolloutLimits, evidence: Evidence) -> list[Rule]:
    """Return the rules on the times to answer in this stage."""
    ratios = {0.5: limits.latency_p50, 0.99: limits.latency_p99}
    return [
        partial(judge_latency, evidence.champion, evidence.challenger, level, ratio)
        for level, ratio in ratios.items()
        if ratio is not None
    ]


def _of_pairs(
    limits: RolloutLimits, pairs: Pairs, metric: Metric | None, classes: Sequence[Label]
) -> list[Rule]:
    """Return the rules on what the two said to the same rows."""
    rules: list[Rule] = [partial(judge_paired_failures, pairs, limits.failures)]
    if limits.disagreement is not None:
        rules.append(partial(judge_disagreement, pairs, limits.disagreement))
    if limits.shift is not None:
        rules.append(partial(judge_shift, pairs, limits.shift))
    if metric is not None:
        rules.append(partial(judge_harm, pairs, metric, classes, limits.metric_loss))
    return rules
