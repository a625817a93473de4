"""Looks of the past."""

from datetime import timedelta
from pathlib import Path

from small_past import MONTH, START, history_of, past_rows, project_of, take_all

from regrow.backtest.history import History
from regrow.backtest.judging import appraise
from regrow.backtest.training import Job, train_once
from regrow.backtest.watching import Serving, look


def serving_of(history: History) -> Serving:
    """Return a model of the start that serves."""
    known = history.known(START)
    answers = train_once(
        take_all, Job(history.project, START, known, history.unknown(START, known), len(history.rows))
    )
    return Serving(answers, START, appraise(history.project, history, answers, None, 0).holdout)


def test_harm_alarms_once_its_labels_are_known(tmp_path: Path) -> None:
    """The turn is on day 60, the look at its end sees labels of before alone."""
    project = project_of(tmp_path)
    history = history_of(project, past_rows(turn=60))
    serving = serving_of(history)
    before = look(project, history, serving, START + MONTH, ("performance",))
    after = look(project, history, serving, START + 2 * MONTH, ("performance",))
    assert not before.failed
    assert after.failed


def test_no_label_of_later_is_seen(tmp_path: Path) -> None:
    """What comes after the delay changes no look."""
    project, rows = project_of(tmp_path), past_rows(turn=200)
    now = START + MONTH
    later = (rows["at"] >= now - timedelta(days=2)).to_numpy()
    poisoned = rows.assign(late=rows["late"].where(~later, 1 - rows["late"]))
    looks = []
    for each in (rows, poisoned):
        history = history_of(project, each)
        looks.append(look(project, history, serving_of(history), now, ("performance",)))
    assert looks[0] == looks[1]


def test_drift_alarms_if_the_policy_lets_it(tmp_path: Path) -> None:
    """The columns of the window lie elsewhere."""
    project = project_of(tmp_path)
    watch = project.monitoring
    loud = watch.model_copy(update={"drift": watch.drift.model_copy(update={"alarm": True})})
    project = project.model_copy(update={"monitoring": loud})
    history = history_of(project, past_rows(turn=60))
    serving = serving_of(history)
    assert look(project, history, serving, START + 2 * MONTH, ("drift",)).failed
    assert not look(project, history, serving, START, ("drift",)).failed
