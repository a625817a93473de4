"""How a challenger runs: its failures and its time to answer, against the champion's."""

import numpy as np

from regrow.decisions.rollout.bounds import judge_bound, proven, undecided
from regrow.decisions.rollout.evidence import Arm, Floats, Pairs, answered
from regrow.decisions.rollout.sequential import (
    lower_excess,
    lower_quantile,
    lower_rate,
    upper_quantile,
    upper_rate,
)
from regrow.verdict import Finding


def judge_failures(champion: Arm, challenger: Arm, limit: float, shadow: bool, alpha: float) -> Finding:
    """Judge the excess of the challenger's share of failed rows over the champion's.

    Each arm has its own bound, so the arms may depend on one another. In *shadow* the challenger's rows are the
    champion's too: then the paired bound holds, taken as if no row failed both, which can only lower it.
    """
    if shadow:
        better = min(champion.failures, challenger.rows - challenger.failures)
        low = lower_excess(challenger.failures, better, challenger.rows, alpha)
        greatest = lower_excess(challenger.rows, 0, challenger.rows, alpha)
    else:
        low = lower_rate(challenger.failures, challenger.rows, alpha / 2) - upper_rate(
            champion.failures, champion.rows, alpha / 2
        )
        greatest = lower_rate(challenger.rows, challenger.rows, alpha / 2) - upper_rate(
            0, champion.rows, alpha / 2
        )
    high = upper_rate(challenger.failures, challenger.rows, alpha / 2) - lower_rate(
        champion.failures, champion.rows, alpha / 2
    )
    excess = _share(challenger.failures, challenger.rows) - _share(champion.failures, champion.rows)
    return Finding(
        rule=f"failed rows at most {limit:.3g} above the champion's, of those each answered in this stage",
        result=judge_bound(low, limit, greatest),
        figure=excess,
        limit=limit,
        interval=(low, high),
        confidence=1 - alpha,
        rows=challenger.rows,
        detail=f"challenger failed {challenger.failures} of {challenger.rows} rows, champion {champion.failures} "
        f"of {champion.rows}: excess {excess:.2%}, {proven(low, limit, '.2%')}",
    )


def judge_paired_failures(pairs: Pairs, limit: float, alpha: float) -> Finding:
    """Judge the same excess on rows that both scored, by the rows that only one of them failed on."""
    old, new = ~answered(pairs.champion), ~answered(pairs.challenger)
    rows, worse, better = len(old), int(np.sum(new & ~old)), int(np.sum(old & ~new))
    low = lower_excess(worse, better, rows, alpha)
    high = -lower_excess(better, worse, rows, alpha)
    excess = _share(worse - better, rows)
    return Finding(
        rule=f"failed rows at most {limit:.3g} above the champion's, of those both scored",
        result=judge_bound(low, limit, lower_excess(rows, 0, rows, alpha)),
        figure=excess,
        limit=limit,
        interval=(low, high),
        confidence=1 - alpha,
        rows=rows,
        detail=f"of {rows} rows that both scored the challenger alone failed {worse}, the champion alone {better}: "
        f"excess {excess:.2%}, {proven(low, limit, '.2%')}",
    )


def judge_latency(champion: Floats, challenger: Floats, level: float, limit: float, alpha: float) -> Finding:
    """Judge the ratio of the two's times to answer at the quantile *level*."""
    old, new = np.sort(champion), np.sort(challenger)
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
        rows=len(new),
        detail=f"p{level * 100:g} {now * 1000:.3g} ms on {len(new)} requests, champion {before * 1000:.3g} ms on "
        f"{len(old)}: {ratio:.2f} times, {proven(low, limit, '.2f')}",
    )


def _ratio(above: float, below: float) -> float:
    """Divide two times; if nothing bounds the one below, the ratio is unbounded, and 0 if it may be anything."""
    if below == np.inf or above == -np.inf:
        return 0.0
    return above / below if below > 0 else np.inf


def _share(count: int, rows: int) -> float:
    return count / rows if rows else 0.0
