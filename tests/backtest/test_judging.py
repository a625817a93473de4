"""Challengers of the past beside their champion."""

from datetime import timedelta
from pathlib import Path

from small_past import MONTH, START, history_of, past_rows, project_of, take_all

from regrow.backtest.answers import Answers
from regrow.backtest.history import History
from regrow.backtest.judging import appraise
from regrow.backtest.training import Job, train_once


def trained(history: History, days: int) -> Answers:
    """Train *days* after the start."""
    moment = START + timedelta(days=days)
    known = history.known(moment, history.project.training.reach)
    return train_once(
        take_all, Job(history.project, moment, known, history.unknown(moment, known), len(history.rows))
    )


def test_the_first_has_nobody_to_beat_and_a_better_one_is_promoted(tmp_path: Path) -> None:
    """After the turn a model that knows it is proven better than one that does not."""
    history = history_of(project_of(tmp_path), past_rows(turn=35))
    old, new = trained(history, 0), trained(history, 2 * MONTH.days)
    first = appraise(history.project, history, old, None, 0)
    assert first.verdict.passed
    assert first.holdout.rows == old.held.sum()
    judged = appraise(history.project, history, new, old, 1)
    assert judged.verdict.passed
    assert "champion 1" in judged.verdict.reason


def test_rows_that_the_champion_has_learnt_prove_nothing(tmp_path: Path) -> None:
    """A day later its recipe as it was judged stands for it; a model is not better than itself."""
    history = history_of(project_of(tmp_path), past_rows())
    old = trained(history, 40)
    again = appraise(history.project, history, trained(history, 41), old, 1)
    assert not again.verdict.passed
    assert again.holdout.rows < trained(history, 41).held.sum() + 1
