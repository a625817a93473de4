"""A challenger of the past beside the champion of its day, by the gates of the file."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.backtest.answers import Answers
from regrow.backtest.history import NUMBER, History
from regrow.base.verdict import Verdict
from regrow.data.snapshots import Snapshot
from regrow.decisions.estimates import estimate
from regrow.decisions.gates import decide
from regrow.decisions.performance import Holdout
from regrow.decisions.side_by_side import baseline, columns_to_judge, measure, tabulate
from regrow.decisions.units import units_of
from regrow.models.comparison import LEAST_UNSEEN, align_classes, without_learnt
from regrow.models.metrics import Floats, as_judged
from regrow.models.results import Candidate, Evaluation, ModelFacts
from regrow.project import Project


@dataclass(frozen=True)
class Appraised:
    """What the gates said of a challenger, and what it reached on its holdout."""

    verdict: Verdict
    holdout: Holdout


@dataclass(frozen=True)
class _Shown:
    """The held-out rows that the champion has not learnt, and which of its models is compared on them."""

    frame: pd.DataFrame
    numbers: NDArray[np.int64]
    predicted: Floats | None
    obstacle: str = ""


def appraise(
    project: Project, history: History, challenger: Answers, champion: Answers | None, number: int
) -> Appraised:
    """Judge *challenger* as `train` would have on its day, against *champion*, the model *number*."""
    shown = _show(project, history, challenger, champion)
    facts, primary = challenger.facts, project.evaluation.primary
    target = shown.frame[project.data.target]
    predictions = {"candidate": challenger.judged[shown.numbers]}
    known = history.labelled(challenger.trained, challenger.as_of)[project.data.target]
    predictions["baseline"] = baseline(known, facts.classes, len(shown.frame))
    thresholds = {"candidate": facts.threshold}
    if shown.predicted is not None and champion is not None:
        predictions["champion"] = shown.predicted
        thresholds["champion"] = champion.facts.threshold
    measured = {
        name: measure(project.evaluation.all_metrics, target, each, facts.classes, thresholds.get(name))
        for name, each in predictions.items()
    }
    units = units_of(shown.frame, project.data)
    seen = as_judged(primary, predictions["candidate"], facts.threshold)
    sure = estimate(primary, target, [seen], facts.classes, units)
    error = None if isinstance(sure, str) else sure.error
    evaluation = Evaluation(
        candidate=_name(project, challenger),
        champion_version=None if champion is None else number,
        rows=len(shown.frame),
        metrics=measured["candidate"],
        baseline=measured["baseline"],
        champion=measured.get("champion"),
        champion_obstacle=shown.obstacle,
        thresholds={name: each for name, each in thresholds.items() if each is not None},
        slices=(),
        predictions=_count(len(shown.frame)),
    )
    columns = columns_to_judge(project, shown.frame, units)
    frame = tabulate(target, predictions, facts.kind).assign(**columns)
    verdict = decide(project.evaluation, evaluation, frame, project.data.sampling_unit)
    holdout = Holdout(primary, measured["candidate"][primary], len(shown.frame), facts.classes, error)
    return Appraised(verdict, holdout)


def _show(project: Project, history: History, challenger: Answers, champion: Answers | None) -> _Shown:
    """Return the held-out rows for both, with their labels of the challenger's day."""
    held = history.labelled(challenger.held, challenger.as_of)
    held = held[~unanswered(challenger.judged[held.index])]
    whole = _Shown(held.reset_index(drop=True), held.index.to_numpy(np.int64), None)
    if champion is None:
        return whole
    lost = [name for name in champion.facts.classes if name not in challenger.facts.classes]
    if lost or champion.facts.kind != challenger.facts.kind:
        return _Shown(
            whole.frame, whole.numbers, None, f"the champion knows {lost}, which the challenger does not"
        )
    numbered = held.assign(**{NUMBER: held.index.to_numpy(np.int64)})
    answers, rows = champion.served, _unseen(history, numbered, champion.learnt)
    if champion.facts.refitted and len(rows) < LEAST_UNSEEN * len(held):
        answers, rows = champion.judged, _unseen(history, numbered, champion.trained)
    predicted = answers[rows[NUMBER].to_numpy(np.int64)]
    answered = ~unanswered(predicted)
    rows, predicted = rows[answered].reset_index(drop=True), predicted[answered]
    if rows.empty:
        return _Shown(whole.frame, whole.numbers, None, "the champion has learnt all held-out rows")
    aligned = predicted
    if champion.facts.classes:
        aligned = align_classes(predicted, champion.facts.classes, challenger.facts.classes)
    return _Shown(rows.drop(columns=NUMBER), rows[NUMBER].to_numpy(np.int64), aligned)


def _unseen(history: History, held: pd.DataFrame, learnt: NDArray[np.bool_]) -> pd.DataFrame:
    """Leave the rows of *held* that the *learnt* rows do not give away."""
    columns = [str(name) for name in history.rows]
    return without_learnt(history.project.data, held, columns, lambda names: history.rows.loc[learnt, names])


def unanswered(prediction: Floats) -> NDArray[np.bool_]:
    """Return which rows have no prediction."""
    return np.asarray(np.isnan(prediction.reshape(len(prediction), -1)).any(axis=1), dtype=np.bool_)


def _name(project: Project, answers: Answers) -> Candidate:
    """Return *answers* as what gates know of a candidate: its kind and classes."""
    facts = ModelFacts(
        project=project.name, kind=answers.facts.kind, classes=cast("tuple[str, ...]", answers.facts.classes),
        id=None, timestamp=None, training=_count(int(answers.learnt.sum())), holdout=_count(int(answers.held.sum())),
        threshold=answers.facts.threshold,
    )  # fmt: skip
    return Candidate(model_id=answers.key[:12], run_id="", recipe=answers.key, facts=facts)


def _count(rows: int) -> Snapshot:
    """Return the place of *rows* rows that stand in the history, and in no snapshot."""
    return Snapshot(uri="", digest="", rows=rows, columns={})
