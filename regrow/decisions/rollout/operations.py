"""How a challenger runs: its failures and its time to answer, against the champion's."""

import numpy as np

from regrow.base.verdict import Finding
from regrow.decisions.rollout.bounds import judge_bound, proven, undecided
from regrow.decisions.rollout.evidence import Arm, Floats, Pairs, answered
from regrow.decisions.rollout.sequential import (
    lower_excess,
    lower_quantile,
    lower_rate,
    upper_quantile,
    upper_rate,
)


def judge_failures(champion: Arm, challenger: Arm, limit: float, shadow: bool, alpha: float) -> Finding:
    """Judge the excess of the challenger's share of failed requests over the champion's.

    A request that failed in part counts that part: the bounds hold for shares as they do for counts. Each arm has its
    own, so the arms may depend on one another. In *shadow* the challenger's requests are the champion's too: then the
    paired bound holds, taken as if no request failed both, which can only lower it.
    """
    requests, failures = challenger.requests, challenger.failures
    if shadow:
        better = min(champion.failures, requests - failures)
        low = lower_excess(failures, better, requests, alpha)
        greatest = lower_excess(requests, 0, requests, alpha)
    else:
        low = lower_rate(failures, requests, alpha / 2) - upper_rate(
            champion.failures, champion.requests, alpha / 2
        )
        greatest = lower_rate(requests, requests, alpha / 2) - upper_rate(0, champion.requests, alpha / 2)
    high = upper_rate(failures, requests, alpha / 2) - lower_rate(
        champion.failures, champion.requests, alpha / 2
    )
    excess = _share(failures, requests) - _share(champion.failures, champion.requests)
    return Finding(
        rule=f"failed requests at most {limit:.3g} above the champion's, of those each answered in this stage",
        result=judge_bound(low, limit, greatest),
        figure=excess,
        limit=limit,
        interval=(low, high),
        confidence=1 - alpha,
        rows=challenger.rows,
        units=requests,
        unit="request",
        detail=f"challenger failed {failures:.6g} of {requests} requests, champion {champion.failures:.6g} "
        f"of {champion.requests}: excess {excess:.2%}, {proven(low, limit, '.2%')}",
    )


def judge_paired_failures(pairs: Pairs, limit: float, alpha: float) -> Finding:
    """Judge the same excess on requests that both scored, by the share of each that only one of them failed on."""
    excesses = _by_request(pairs)
    requests, worse, better = (
        len(excesses),
        float(np.maximum(excesses, 0).sum()),
        float(np.maximum(-excesses, 0).sum()),
    )
    low = lower_excess(worse, better, requests, alpha)
    high = -lower_excess(better, worse, requests, alpha)
    excess = _share(worse - better, requests)
    return Finding(
        rule=f"failed requests at most {limit:.3g} above the champion's, of those both scored",
        result=judge_bound(low, limit, lower_excess(requests, 0, requests, alpha)),
        figure=excess,
        limit=limit,
        interval=(low, high),
        confidence=1 - alpha,
        rows=len(pairs.labelled),
        units=requests,
        unit="request",
        detail=f"of {requests} requests that both scored the challenger alone failed {worse:.6g}, the champion alone "
        f"{better:.6g}: "
        f"excess {excess:.2%}, {proven(low, limit, '.2%')}",
    )


def judge_latency(champion: Arm, challenger: Arm, level: float, limit: float, alpha: float) -> Finding:
    """Judge the ratio of the two's times to answer at the quantile *level*."""
    old, new = np.sort(champion.seconds), np.sort(challenger.seconds)
    low = _ratio(lower_quantile(new, level, alpha / 2), upper_quantile(old, level, alpha / 2))
    high = _ratio(upper_quantile(new, level, alpha / 2), lower_quantile(old, level, alpha / 2))
    rule = f"p{level * 100:g} of the time to answer at most {limit:g} times the champion's"
    if not len(old) or not len(new):
        return undecided(rule, 0, "no request of both in this stage")
    before, now = (float(np.quantile(side, level)) for side in (old, new))
    ratio = _ratio(now, before)
    return Finding(
        rule=rule,
        result=judge_bound(low, limit, np.inf if low > 0 else 0.0),
        figure=ratio if np.isfinite(ratio) else None,
        limit=limit,
        interval=(low, high) if np.isfinite(high) else None,
        confidence=1 - alpha,
        rows=challenger.rows,
        units=len(new),
        unit="request",
        detail=f"p{level * 100:g} {now * 1000:.3g} ms on {len(new)} requests, champion {before * 1000:.3g} ms on "
        f"{len(old)}: {ratio:.2f} times, {proven(low, limit, '.2f')}",
    )


def _ratio(above: float, below: float) -> float:
    """Divide two times; if nothing bounds the one below, the ratio is unbounded, and 0 if it may be anything."""
    if below == np.inf or above == -np.inf:
        return 0.0
    return above / below if below > 0 else np.inf


def _by_request(pairs: Pairs) -> Floats:
    """Return of each request the share of rows that the challenger failed on more than the champion, from -1 to 1."""
    more = (~answered(pairs.challenger)).astype(np.float64) - ~answered(pairs.champion)
    if pairs.requests is None:
        return more
    return np.bincount(pairs.requests, more) / np.bincount(pairs.requests)


def _share(count: float, requests: int) -> float:
    return count / requests if requests else 0.0
