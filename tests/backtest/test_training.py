"""One training of the past."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from small_past import FILE, START, history_of, past_rows, project_of, take_all

from regrow.backtest.history import History
from regrow.backtest.training import Job, train_once


def job_of(history: History) -> Job:
    """Return a training at the start."""
    known = history.known(START)
    return Job(history.project, START, known, history.unknown(START, known), len(history.rows))


def test_no_row_and_no_label_of_the_future_is_seen(tmp_path: Path) -> None:
    """A table whose future is poisoned gives the same model, to the last bit of what it predicts."""
    project, rows = project_of(tmp_path), past_rows()
    poisoned = rows.copy()
    future = (rows["at"] >= START - timedelta(days=2)).to_numpy()
    poisoned.loc[future, "late"] = 1 - rows.loc[future, "late"]
    fair, other = (train_once(take_all, job_of(history_of(project, each))) for each in (rows, poisoned))
    assert not fair.trained[future].any()
    assert not fair.learnt[future].any()
    assert not fair.held[future].any()
    assert np.array_equal(fair.served, other.served, equal_nan=True)
    assert np.array_equal(fair.judged, other.judged, equal_nan=True)
    poisoned.loc[future, "size"] = 10**9
    wild = train_once(take_all, job_of(history_of(project, poisoned)))
    assert np.array_equal(fair.judged[fair.held], wild.judged[wild.held])


def test_what_is_served_has_learnt_its_holdout_and_what_is_judged_has_not(tmp_path: Path) -> None:
    """As a training does it: judged without the newest rows, then fitted again on all."""
    answers = train_once(take_all, job_of(history_of(project_of(tmp_path), past_rows())))
    assert not (answers.trained & answers.held).any()
    assert (answers.learnt == (answers.trained | answers.held)).all()
    assert not np.isnan(answers.judged[answers.held]).any()
    assert np.isnan(answers.served[answers.learnt]).all()


def test_a_window_is_chosen_and_a_model_may_stay_as_it_was_judged(tmp_path: Path) -> None:
    """Of several windows the best one is named; without a second fit the judged model serves."""
    text = FILE.replace("window: 30d }", "windows: [10d, all], refit: false }")
    answers = train_once(take_all, job_of(history_of(project_of(tmp_path, text), past_rows())))
    assert answers.facts.window in {"10d", "all"}
    assert (answers.learnt == answers.trained).all()
    future = ~np.isnan(answers.served[:, 0])
    assert np.array_equal(answers.served[future], answers.judged[future])


def test_what_cannot_be_trained_on_is_a_problem(tmp_path: Path) -> None:
    """One class alone ends no backtest."""
    answers = train_once(take_all, job_of(history_of(project_of(tmp_path), past_rows().assign(late=1))))
    assert "needs at least two values" in answers.facts.problem


def test_a_row_that_no_server_would_take_is_left_out(tmp_path: Path) -> None:
    """It has no prediction, and its neighbours have theirs."""
    rows = past_rows().astype({"size": object})
    rows.loc[2000, "size"] = "much"
    project = project_of(tmp_path)
    history = history_of(project, rows)
    job = job_of(history)
    known = job.known.astype({"size": float})
    answers = train_once(take_all, Job(project, START, known, job.asked, job.total))
    assert np.isnan(answers.served[2000]).all()
    assert not np.isnan(answers.served[[1999, 2001]]).any()


def test_the_index_of_rows_that_are_set_aside_moves_nothing(tmp_path: Path) -> None:
    """A row that expectations set aside is neither learnt nor judged on, and the others keep their numbers."""
    history = history_of(project_of(tmp_path), past_rows())

    def without_first(_: object, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.iloc[1:]

    answers = train_once(without_first, job_of(history))
    assert not answers.learnt[0]
    assert answers.learnt[1]
