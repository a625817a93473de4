"""Always-valid bounds: true at every look together with probability 1 - *alpha*, however often one looks.

Each bound inverts a nonnegative supermartingale that starts at 1: by Ville's inequality (1939) it ever reaches
1 / *alpha* with probability *alpha* at most. Each is one-sided and depends on counts or sorted values alone, so
neither the order of the rows within a look nor the moments of the looks matter. The two bounds of a mean, in standard
errors, are asymptotic; `standard_errors_until` holds for looks until all rows are there, and not beyond.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import root_scalar

Floats = NDArray[np.float64]

JEFFREYS = (0.5, 0.5)
QUANTILE_PRIOR = 200.0
"""Rows that the mixture over a quantile's level weighs: sharpest near 2,000 rows, whose spread is a third as wide."""
STAKES: Floats = np.geomspace(0.02, 0.98, 8)
"""Shares of the capital that the paired test bets, from small excesses to certain ones."""
BETS: Floats = np.array([3.0, 1.5, 0.7, 0.35, 0.17, 0.08])
"""How sharply the test of a loss bets on the sign of a gain of typical size: few certain losses, or many small ones."""
PARTS: Floats = np.array([0.3, 0.3, 0.2, 0.1, 0.05, 0.05])
"""How the capital is divided among `BETS`."""
ROUNDING = 1e-12
"""Gains smaller than this part of the greatest are none: what rounding leaves of equal answers has a sign too."""


def lower_rate(count: float, rows: int, alpha: float) -> float:
    """Return the greatest rate that *count* in *rows* always-validly exceeds; *count* may sum shares of single ones.

    Beta-binomial mixture (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021, section 4.1), its Jeffreys prior
    cut to the rates above the tested one, so it tests every smaller rate too. Exact for independent ones; a share x
    between 0 and 1 multiplies the evidence by (q/p)^x ((1-q)/(1-p))^(1-x), at most what x of a one and 1 - x of a zero
    would by their arithmetic mean.
    """
    if count == 0:
        return 0.0

    def wealth(rate: float) -> float:
        return _evidence_above(count, rows, rate, JEFFREYS) + np.log(alpha)

    return _crossing(wealth, 0.0, count / rows)


def upper_rate(count: float, rows: int, alpha: float) -> float:
    """Return the least rate that *count* in *rows* always-validly stays below."""
    return 1.0 - lower_rate(rows - count, rows, alpha)


def lower_excess(worse: float, better: float, rows: int, alpha: float) -> float:
    """Bound from below the mean of paired differences: *worse* are 1, *better* are -1, the rest of *rows* are 0.

    A difference in between may count as a part of a whole one: its evidence is less than its due, by concavity.

    By betting (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting"), mixed over
    `STAKES`: exact however the two of a pair depend on one another, and a product, so free of the rows' order.
    """
    if rows == 0:
        return -1.0
    counts = np.array([worse, rows - worse - better, better], dtype=np.float64)
    halves = np.array([1.0, 0.5, 0.0])

    def wealth(excess: float) -> float:
        growth = np.log1p(STAKES[:, None] * (2 * halves / (1 + excess) - 1)) @ counts
        return float(np.logaddexp.reduce(growth) - np.log(len(STAKES)) + np.log(alpha))

    return _crossing(wealth, -1.0, (worse - better) / rows)


def log_evidence_of_loss(gains: Floats) -> float:
    """Return the logarithm of the evidence that *gains*, in their order, are losses, not symmetric about 0 or better.

    A gain that is symmetric about 0, given those before it, is as likely positive as negative whatever its size, so
    a bet on its sign is fair, and the stake may follow its size: each gain x multiplies the capital by
    1 - tanh(b x / s) = exp(-b x / s) / cosh(b x / s), s being the root mean square of the gains up to it. That is no
    less than the factor exp(-b x / s - (b x / s)² / 2) of de la Peña 1999 ("A general class of exponential
    inequalities for martingales and ratios", Annals of Probability 27), and at most 2: no single gain decides. The
    product is a martingale for each b of `BETS`, and so is their mean by `PARTS`.
    """
    gains = np.where(np.abs(gains) > ROUNDING * np.abs(gains).max(initial=0), gains, 0.0)
    size = np.sqrt(np.cumsum(gains**2) / np.arange(1, len(gains) + 1))
    typical = np.divide(gains, size, out=np.zeros(len(gains)), where=size > 0)
    growth = (np.log(2) - np.logaddexp(0, 2 * BETS[:, None] * typical)).sum(axis=1)
    return float(np.logaddexp.reduce(growth + np.log(PARTS)))


@cache
def least_gains(alpha: float) -> int:
    """Return how many gains, all of one size and losses, make evidence of 1 / *alpha*: fewer prove nothing."""
    count = 1
    while log_evidence_of_loss(np.full(count, -1.0)) < -np.log(alpha):
        count += 1
    return count


def lower_quantile(ordered: Floats, level: float, alpha: float) -> float:
    """Return an always-valid lower bound of the quantile at *level*, one of the *ordered* values; -inf of too few.

    Howard and Ramdas 2022 ("Sequential estimation of quantiles with applications to A/B testing and best-arm
    identification", section 3): how many values fall below the true quantile is binomial with a known rate, whose
    beta-binomial mixture says how few are credible. Exact, ties and jumps included.
    """
    rows = len(ordered)
    least = _fewest_below(rows, level, alpha)
    return float(ordered[least - 1]) if least else -np.inf


def upper_quantile(ordered: Floats, level: float, alpha: float) -> float:
    """Return an always-valid upper bound of the quantile at *level*; inf of too few values."""
    rows = len(ordered)
    least = _fewest_below(rows, 1 - level, alpha)
    return float(ordered[rows - least]) if least else np.inf


def distribution_radius(rows: int, alpha: float) -> float:
    """Bound the greatest distance of an empirical distribution function from the true one, for every sample size.

    The Dvoretzky-Kiefer-Wolfowitz inequality with Massart's constant (1990), at *alpha* / (n (n + 1)) for n rows:
    these sum to *alpha* (Darling and Robbins 1968).
    """
    if rows == 0:
        return 1.0
    return min(1.0, float(np.sqrt(np.log(2 * rows * (rows + 1) / alpha) / (2 * rows))))


def standard_errors(rows: int, alpha: float, best: int) -> float:
    """Return how many standard errors below a mean of *rows* its asymptotic always-valid bound lies, least near *best*.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024 ("Time-uniform central limit theory and asymptotic
    confidence sequences", Annals of Statistics): a sum of many rows moves like Brownian motion, whose half-normal
    mixture 2 exp(z²/2) Φ(z) / √(1 + rows ρ²) is inverted exactly; ρ² as Howard et al. 2021, section 3.5, tune it.
    """
    spread = rows * _tuned(alpha, best)
    goal = np.log1p(spread) / 2 - np.log(2 * alpha)
    edges = (0.0, 1.0 + np.sqrt(2 * goal + 2))
    beyond = root_scalar(lambda z: z * z / 2 + special.log_ndtr(z) - goal, bracket=edges).root
    return float(beyond * np.sqrt((1 + spread) / spread))


def standard_errors_until(share: float, alpha: float) -> float:
    """Return how many standard errors below a mean its bound lies that holds at every look until all rows are there.

    *share* of them are, 1 at the end, where it is narrowest. A sum of many rows moves like Brownian motion, which is
    ever above c until the end with twice the probability that it ends there (the reflection principle): O'Brien and
    Fleming's test (1979, "A multiple testing procedure for clinical trials", Biometrics 35), of any number of looks.
    """
    return float(special.ndtri(1 - alpha / 2) / np.sqrt(share))


def _tuned(alpha: float, best: int) -> float:
    """Return the mixture's variance ρ² whose bound is narrowest at *best* rows."""
    return float(-special.lambertw(-4 * alpha * alpha / np.e, -1).real - 1) / best


def _evidence_above(count: float, rows: int, rate: float, prior: tuple[float, float]) -> float:
    """Return the logarithm of the mixture's likelihood ratio: rates above *rate* against *rate*."""
    a, b = prior
    higher, fewer = a + count, b + rows - count
    tails = special.betaincc(higher, fewer, rate) / special.betaincc(a, b, rate)
    mixture = special.betaln(higher, fewer) - special.betaln(a, b) + np.log(tails)
    return float(mixture - special.xlogy(count, rate) - special.xlog1py(rows - count, -rate))


def _fewest_below(rows: int, level: float, alpha: float) -> int:
    """Return the least count, of *rows* values, that may credibly lie at or below their quantile at *level*."""
    prior = (QUANTILE_PRIOR * (1 - level), QUANTILE_PRIOR * level)
    low, high = 0, int(np.floor(rows * level))
    while low < high:
        middle = (low + high) // 2
        incredible = _evidence_above(rows - middle, rows, 1 - level, prior) >= -np.log(alpha)
        low, high = (middle + 1, high) if incredible else (low, middle)
    return low


def _crossing(wealth: Callable[[float], float], low: float, high: float) -> float:
    """Return the point between *low* and *high* at which *wealth*, falling from *low* on, crosses zero."""
    edge = 1e-12
    low, high = low + edge, high - edge
    if high <= low or wealth(low) <= 0:
        return low - edge
    return float(root_scalar(wealth, bracket=(low, high), xtol=1e-8).root) if wealth(high) < 0 else high
