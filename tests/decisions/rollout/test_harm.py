"""Harm is judged by unit: days that all say worse prove it, rows of one day do not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from regrow.base.verdict import Finding
from regrow.decisions.rollout.evidence import Pairs
from regrow.decisions.rollout.harm import STEP, STEP_OF_CLASS, join_units, judge_harm
from regrow.decisions.rollout.sequential import least_gains
from regrow.decisions.units import Units, single_rows

CLASSES, ALPHA = (False, True), 0.01
LEAST = least_gains(ALPHA)


def days(count: int, seed: int = 0, loss: float = 0.0, rows: int = 120, weather: float = 0.0) -> Pairs:
    """Draw days on which the challenger's signal is weaker by *loss*, and each day tips the two apart by *weather*."""
    random = np.random.default_rng(seed)
    target = random.random(count * rows) < 0.3
    codes = np.repeat(np.arange(count), rows)
    shared, own = random.normal(size=(2, count * rows))
    tips = weather * random.normal(size=count)[codes] * np.where(target, 1, -1)
    scores = (1.2 * target + shared, (1.2 - loss) * target + 0.9 * shared + 0.4 * own + tips)
    champion, challenger = (np.column_stack([1 - expit(score), expit(score)]) for score in scores)
    return Pairs(champion, challenger, target, np.ones(len(target), dtype=np.bool_), Units(codes, "day"))


def judged(pairs: Pairs, metric: str = "roc_auc", limit: float = 0.0) -> Finding:
    return judge_harm(pairs, metric, CLASSES, limit, ALPHA)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "f1"])
def test_days_that_all_say_worse_prove_harm(metric: str) -> None:
    """A challenger far worse is found with the first number of days that can prove it, and told by how much."""
    found = judged(days(LEAST, loss=1.2), metric)
    assert found.failed
    assert (found.units, found.unit) == (LEAST, "day")
    assert found.figure is not None
    assert found.figure < -0.05
    assert found.interval is not None
    assert found.interval[1] < 0
    assert "worse, limit 0" in found.detail
    assert (found.effective_rows is None) == (metric == "f1")


def test_rows_of_stormy_days_are_worth_fewer() -> None:
    """Days that tip the two apart make rows worth a part of independent ones; of days alike they are worth as many."""
    calm, stormy = (judged(days(30, weather=weather), "log_loss") for weather in (0.0, 0.5))
    assert calm.effective_rows is not None
    assert stormy.effective_rows is not None
    assert (calm.rows, stormy.rows) == (3_600, 3_600)
    assert calm.effective_rows > 1_800
    assert stormy.effective_rows < 900


def test_fewer_days_than_can_prove_anything_say_how_many_it_takes() -> None:
    """However bad they are, and however many rows they hold."""
    found = judged(days(LEAST - 1, loss=1.2))
    assert (found.result, found.units) == ("undecided", LEAST - 1)
    assert f"{LEAST - 1} of the {LEAST} days" in found.detail


def test_a_day_that_goes_on_is_not_looked_at() -> None:
    """Its rows change nothing until it is over."""
    pairs = days(LEAST + 1)
    whole = np.arange(len(pairs.target)) < LEAST * 120
    reversed_today = np.where(whole[:, None], pairs.challenger, pairs.challenger[:, ::-1])
    seen, other = (
        judged(replace(pairs, settled=whole, challenger=side)) for side in (pairs.challenger, reversed_today)
    )
    assert seen == other
    assert seen.units == LEAST


def test_a_loss_within_the_margin_is_let_pass() -> None:
    """The same loss breaks no limit that is wider."""
    pairs = days(20, loss=0.5)
    assert judged(pairs).failed
    assert judged(pairs, limit=0.3).passed


def test_days_with_a_weather_of_their_own_keep_the_level() -> None:
    """Two alike models that each day tips apart: of 12 runs of 4 looks hardly one is rolled back."""
    wrong = 0
    for run in range(12):
        pairs = days(30, run, rows=40, weather=0.5)
        wrong += any(
            judged(replace(pairs, settled=np.asarray(pairs.units and pairs.units.codes < seen))).failed
            for seen in range(9, 31, 7)
        )
    assert wrong <= 1  # Of 12 at 1 % more than this is 1 in 160.


def test_failing_on_hard_rows_gains_nothing() -> None:
    """A version that fails on the rows that it would get wrong is scored on them, as if it knew nothing."""
    pairs = days(LEAST)
    silent = pairs.challenger.copy()
    silent[pairs.target & (pairs.challenger[:, 1] < 0.5)] = np.nan
    found, rows = judged(replace(pairs, challenger=silent)), len(pairs.target)
    assert found.rows == rows
    all_failed = judged(replace(pairs, challenger=np.full_like(silent, np.nan)))
    assert all_failed.failed


def test_the_same_answers_have_no_gain() -> None:
    """Two versions that say the same differ by nothing, and there is no doubt of it."""
    pairs = days(LEAST)
    found = judged(replace(pairs, challenger=pairs.champion.copy()))
    assert (found.result, found.figure, found.interval) == ("pass", 0.0, (0.0, 0.0))


def test_without_labels_nothing_is_said() -> None:
    """A rollout whose labels have not come is undecided."""
    pairs = days(LEAST)
    found = judged(replace(pairs, labelled=np.zeros(len(pairs.target), dtype=np.bool_)))
    assert (found.result, found.detail) == ("undecided", "0 of 100 labelled rows")


def test_single_rows_enter_by_steps_with_each_class() -> None:
    """Fifty rows make a step, more if a class is rare; what is left over waits for the next look."""
    truth = np.zeros(180, dtype=np.int64)
    truth[::10] = 1
    steps = join_units(single_rows(180), truth, 2)
    assert np.bincount(steps + 1).tolist() == [180 % STEP, STEP, STEP, STEP]
    truth[:] = 0
    truth[::40] = 1
    rare = join_units(single_rows(180), truth, 2)
    assert (rare == 0).sum() == 40 * (STEP_OF_CLASS - 1) + 1
    assert (join_units(single_rows(180), truth, 0) >= 0).sum() == 3 * STEP


def test_units_enter_in_the_order_of_their_first_rows() -> None:
    """An entity that comes back adds to the step of its first row."""
    codes = np.append(np.arange(2 * STEP)[::-1], 2 * STEP - 1)
    steps = join_units(Units(codes, "entity"), np.zeros(len(codes)), 0)
    assert steps.tolist() == [0] * STEP + [1] * STEP + [0]
