"""One look of the past at the model that served: its loss on the labels that had come, and drift."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.backtest.answers import Answers
from regrow.backtest.history import History
from regrow.backtest.judging import unanswered
from regrow.base.verdict import Finding, Subject, Verdict
from regrow.data.sources import feature_columns
from regrow.decisions.alarm import judge_window
from regrow.decisions.dependence import level_of_columns
from regrow.decisions.distances import measure_distances
from regrow.decisions.drift import find_drifted, judge_data_drift
from regrow.decisions.looks import level_of_look
from regrow.decisions.past import Past, move_of
from regrow.decisions.performance import Holdout, judge_performance
from regrow.decisions.units import units_of
from regrow.models.metrics import as_judged
from regrow.models.predictions import fit_to
from regrow.project import Project


@dataclass(frozen=True)
class Serving:
    """The model that answers, since when, and what it had reached on its holdout."""

    answers: Answers
    since: datetime
    holdout: Holdout


def look(
    project: Project, history: History, serving: Serving, as_of: datetime, watches: tuple[Subject, ...]
) -> Verdict:
    """Judge the model *serving* at *as_of* by what was known then, as `monitor` does; it *watches* these alone."""
    findings: list[Finding] = []
    if "performance" in watches:
        findings.append(judge_labels(project, history, serving, as_of))
    if "drift" in watches:
        findings.append(judge_rows(project, history, serving.answers, as_of))
    return judge_window(findings)


def judge_labels(project: Project, history: History, serving: Serving, as_of: datetime) -> Finding:
    """Judge the primary metric on the newest window whose labels were known at *as_of*, of rows that it served."""
    end = history.known_until(as_of)
    start = max(end - project.monitoring.window, serving.since)
    facts, primary = serving.answers.facts, project.evaluation.primary
    rows = history.labelled(history.between(start, end), as_of)
    predicted = serving.answers.served[rows.index]
    told = rows[project.data.target]
    usable = (told.notna() & fit_to(told, facts)).to_numpy(np.bool_)
    usable = usable & ~unanswered(predicted)
    rows = rows[usable].reset_index(drop=True)
    seen = as_judged(primary, predicted[usable], facts.threshold)
    units = units_of(rows, project.data)
    rule = project.monitoring.performance
    return judge_performance(
        rows[project.data.target], seen, serving.holdout, rule, units, level_of_look(project)
    )


def judge_rows(project: Project, history: History, answers: Answers, as_of: datetime) -> Finding:
    """Judge the drift of the columns in the newest window from what the model learnt, or was judged on."""
    rule = project.monitoring.drift
    reference = answers.learnt if project.monitoring.reference == "training" else answers.held
    window = history.between(as_of - project.monitoring.window, as_of)
    sides = [_sample(history.rows, rows, rule.max_rows) for rows in (reference, window)]
    names = feature_columns(project, list(history.rows.columns))
    if not len(sides[1]):
        return judge_data_drift({}, (), 0, rule)
    left, right = (side[names] for side in sides)
    context = tuple(name for name in rule.context if name in names)
    distances = measure_distances(left, right, rule.method, dict.fromkeys(names, rule.threshold), context)
    past = Past(*(units_of(side, project.data) for side in sides))
    moves = {name: move_of(distances, past, name) for name in distances.judged}
    drifted = find_drifted(moves, level_of_columns(rule, level_of_look(project)))
    explained = past.explained(distances)
    return judge_data_drift(moves, drifted, int(window.sum()), rule, past.obstacle, explained, past.window)


def _sample(frame: pd.DataFrame, rows: NDArray[np.bool_], most: int) -> pd.DataFrame:
    """Return at most *most* of the *rows* of *frame*, the same ones each time."""
    numbers = np.flatnonzero(rows)
    if len(numbers) > most:
        numbers = np.sort(np.random.default_rng(len(numbers)).choice(numbers, most, replace=False))
    return frame.iloc[numbers].reset_index(drop=True)
