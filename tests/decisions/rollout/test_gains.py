"""The standard error of a gain between two sets of rows counts an entity once."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from regrow.decisions.estimates import Estimate
from regrow.decisions.rollout.evidence import Answers
from regrow.decisions.rollout.gains import LEAST_OF_CLASS, LEAST_ROWS, Gain, gain_bounds, unpaired_gain
from regrow.decisions.units import single_rows
from regrow.models.metrics import decide_by
from regrow.project import Metric

CLASSES = (False, True)


def drawn(rows: int, seed: int, positives: float = 0.2) -> tuple[Answers, Answers]:
    """Draw a champion and a challenger that is a little worse, on the same rows."""
    random = np.random.default_rng(seed)
    target = random.random(rows) < positives
    noise = random.normal(size=(2, rows))
    sides = (0.95 * target + noise[0], 0.88 * target + 0.9 * noise[0] + 0.44 * noise[1])
    champion, challenger = (np.column_stack([1 - expit(side), expit(side)]) for side in sides)
    labelled = np.ones(rows, dtype=np.bool_)
    return Answers(champion, target, labelled), Answers(challenger, target, labelled)


def test_repeated_rows_of_one_entity_are_one_observation() -> None:
    """Each row five times over, told as one entity's, leaves the standard error where it was; untold, it shrinks."""
    both, five = drawn(1_000, 0), np.repeat(np.arange(1_000), 5)
    repeated = [Answers(one.prediction[five], one.target[five], one.labelled[five]) for one in both]
    of_entities = [Answers(one.prediction, one.target, one.labelled, five) for one in repeated]
    errors = []
    for champion, challenger in (both, of_entities, repeated):
        gain = unpaired_gain("roc_auc", champion, challenger, CLASSES)
        assert isinstance(gain, Gain)
        errors.append(gain.estimate.error)
    assert errors[1] == pytest.approx(errors[0], rel=0.01)
    assert errors[2] == pytest.approx(errors[0] / np.sqrt(5), rel=0.01)


def of_days(days: int, *, apart: bool) -> tuple[Answers, Answers]:
    """Return the arms of `drawn` with 20 entities each, whose rows lie on all *days*, or each entity's on a day."""
    answers = []
    for place, arm in enumerate(drawn(600, 1)):
        entities = np.arange(600) % 20
        day = entities * days // 20 if apart else np.arange(600) * days // 600
        names = np.array([f"{place}-{entity}" for entity in entities])
        answers.append(replace(arm, entities=names, unit="day", units=day))
    return answers[0], answers[1]


@pytest.mark.parametrize(("metric", "apart"), [("log_loss", True), ("log_loss", False), ("f1", False)])
def test_entities_and_days_both_count(metric: Metric, apart: bool) -> None:
    """A gain by day is never surer than by entity, to which versions are given, and says how many days there are."""
    arms = of_days(10, apart=apart)
    by_day = unpaired_gain(metric, *arms, CLASSES)
    by_entity = unpaired_gain(metric, *(replace(arm, units=None) for arm in arms), CLASSES)
    assert isinstance(by_day, Gain)
    assert isinstance(by_entity, Gain)
    assert by_day.estimate.figure == by_entity.estimate.figure
    assert by_day.estimate.error >= by_entity.estimate.error
    assert (by_day.estimate.units.named, by_entity.estimate.units.named) == ("10 days", "40 entities")


def test_a_few_days_take_wider_bounds_than_many() -> None:
    """The same error, known from five blocks of days alone, has Student's bounds, which lie farther out."""
    few, many = (
        Gain(Estimate(0.0, 1.0, freedom, 20_000, single_rows(0), 20_000), np.inf) for freedom in (4, 400)
    )
    reach = [gain_bounds(gain, 20_000, 0.025, 1_000, 20_000)[1] for gain in (few, many)]
    assert 1.4 * reach[1] < reach[0] < 2 * reach[1]


def test_a_version_that_fails_is_scored_as_if_it_knew_nothing() -> None:
    """What it failed on is not left out of an A/B comparison: of the rows that it got right, that costs it."""
    champion, challenger = drawn(2_000, 0)
    silent = challenger.prediction.copy()
    silent[challenger.target & (silent[:, 1] > 0.5)] = np.nan
    gains = [
        unpaired_gain("roc_auc", champion, replace(challenger, prediction=said).matured(), CLASSES)
        for said in (challenger.prediction, silent, np.full_like(silent, np.nan))
    ]
    figures = [gain.estimate.figure for gain in gains if isinstance(gain, Gain)]
    assert len(figures) == 3 and figures[0] > max(figures[1:])


def test_the_bounds_of_a_gain_lie_as_far_on_both_sides() -> None:
    """They widen with the confidence, and the gain lies in their middle."""
    found = unpaired_gain("log_loss", *drawn(2_000, 0), CLASSES)
    assert isinstance(found, Gain)
    wide, narrow = (gain_bounds(found, 2_000, alpha, 500, 10_000) for alpha in (0.001, 0.1))
    assert sum(wide) / 2 == pytest.approx(found.estimate.figure)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_bounds_are_nearly_those_of_one_look_at_the_end() -> None:
    """With all rows there the interval is a fifth wider than that of a single look; on the way it is far wider."""
    found = Gain(Estimate(0.0, 1.0, np.inf, 20_000, single_rows(0), 20_000), np.inf)
    reach = {rows: gain_bounds(found, rows, 0.025, 1_000, 20_000)[1] for rows in (1_000, 5_000, 20_000)}
    assert norm.isf(0.025) < reach[20_000] < 1.2 * norm.isf(0.025)
    assert reach[20_000] < reach[5_000] < reach[1_000] < 5


def test_too_little_is_said_not_estimated() -> None:
    """Too few rows, or too few of the rarest class for a metric that ranks, give no gain but what is missing."""
    few = unpaired_gain("log_loss", *drawn(LEAST_ROWS - 1, 0), CLASSES)
    assert few == f"{LEAST_ROWS - 1} of {LEAST_ROWS} labelled rows"
    rare = drawn(1_000, 0, positives=0.01)
    assert str(unpaired_gain("roc_auc", *rare, CLASSES)).endswith(
        f"of {LEAST_OF_CLASS} labelled rows of the rarest class"
    )
    assert isinstance(unpaired_gain("log_loss", *rare, CLASSES), Gain)


def test_a_gain_is_of_what_the_thresholds_decide() -> None:
    """A metric of decisions sees each side's threshold, one of probabilities does not."""
    champion, challenger = drawn(1_500, 3)
    moved = replace(challenger, threshold=0.2)
    decided = replace(challenger, prediction=decide_by(challenger.prediction, 0.2))
    figures = [
        gain(metric, champion, side) for metric in ("f1", "brier") for side in (moved, decided, challenger)
    ]
    assert figures[0] == figures[1] != figures[2]
    assert figures[3] == figures[5] != figures[4]


def gain(metric: Metric, champion: Answers, challenger: Answers) -> float:
    """Return the figure of the gain alone: groups of the jackknife follow the content, which a decision changes."""
    found = unpaired_gain(metric, champion, challenger, CLASSES)
    assert isinstance(found, Gain)
    return found.estimate.figure
