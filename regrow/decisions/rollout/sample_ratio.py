"""Whether the traffic is split as the rollout asks: if not, what the two versions answered cannot be compared."""

import numpy as np
from scipy.special import betaln, xlog1py, xlogy

from regrow.base.verdict import Finding, Result
from regrow.decisions.rollout.evidence import SampleRatio

DOUBT = 0.001
"""How often a split that is as it should be is called broken, over all looks and stages of a rollout."""
PRIOR = 100.0
"""Entities that the mixture over the true share weighs."""


def judge_sample_ratio(ratio: SampleRatio, stages: int) -> Finding:
    """Judge whether the challenger was asked for the share of the entities that it should be asked for.

    A hash assigns each entity, so how many are the challenger's is binomial, whatever the traffic is like. The
    evidence is the likelihood of a beta mixture centred at the asked share against that share (Lindon and Malek 2022,
    "Anytime-valid inference for multinomial count data"): however often one looks, it
    exceeds 1 / alpha with probability alpha at most. Each of *stages* has its part of `DOUBT`.
    """
    alpha = DOUBT / stages
    evidence = _log_evidence(ratio.challengers, ratio.entities, ratio.weight)
    greatest = max(_log_evidence(count, ratio.entities, ratio.weight) for count in (0, ratio.entities))
    share = ratio.challengers / ratio.entities if ratio.entities else None
    detail = f"the challenger was asked for {ratio.challengers} of {ratio.entities} entities, {ratio.weight:.3g} asked"
    broken = evidence >= -np.log(alpha)
    result: Result = "fail" if broken else "pass" if greatest >= -np.log(alpha) else "undecided"
    return Finding(
        rule=f"the challenger is asked for {ratio.weight:.3g} of the entities",
        result=result,
        figure=share,
        limit=ratio.weight,
        confidence=1 - alpha,
        rows=ratio.rows,
        units=ratio.entities,
        unit="entity",
        detail=f"broken split: {detail}; rows of one version are lost, logged twice, or routed past the server"
        if broken
        else detail,
    )


def _log_evidence(count: int, entities: int, rate: float) -> float:
    """Return the logarithm of the evidence that *count* of *entities* give against *rate*."""
    a, b = PRIOR * rate, PRIOR * (1 - rate)
    mixture = betaln(a + count, b + entities - count) - betaln(a, b)
    return float(mixture - xlogy(count, rate) - xlog1py(entities - count, -rate))
