"""What `train` would find in the data, up to the fit and without a server: `regrow check FILE --data`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from regrow.base.errors import BatchRejected, DataError, ProjectError

if TYPE_CHECKING:
    import pandas as pd

    from regrow.project import Project


def check_data(project: "Project") -> Iterator[str]:
    """Read the rows as `train` would now, and yield a line on them, then a note for each thing to know.

    Raises `DataError` for what `train` would refuse, `BatchRejected` if it is an expectation or a leak.
    """
    from regrow.decisions.splitting import part_rows
    from tasks.ingest import read_known
    from tasks.split import judge_held_out
    from tasks.validate import examine

    frame = read_known(project, datetime.now(UTC))
    examined = examine(project, frame)
    if not examined.verdict.passed:
        raise BatchRejected(f"{project.path}: {examined.verdict.reason}")
    accepted = examined.accepted.reset_index(drop=True)
    parts = part_rows(accepted, project.data, project.training.seed, project.training.shortest)
    training, holdout = (accepted.iloc[rows] for rows in parts)
    check_classes(project, training, holdout)
    check_fit(project, accepted)
    aside = f", {len(examined.quarantined):,} set aside" if len(examined.quarantined) else ""
    yield (
        f"{project.path}: data: ok: {len(frame):,} rows{aside}; {len(training):,} would train and {len(holdout):,} "
        "be held out"
    )
    remark = judge_held_out(project, holdout)
    for finding in (*examined.remarks, *([remark] if remark else [])):
        yield f"{project.path}: data: note: {finding.detail or finding.rule}"


def check_classes(project: "Project", training: "pd.DataFrame", holdout: "pd.DataFrame") -> None:
    """Raise `DataError` if a classifier would meet a class in one part of the rows and not in the other."""
    from sklearn.base import is_classifier

    from regrow.project.estimators import build_estimator

    if not is_classifier(build_estimator(project.training, project.path)):
        return
    learnt, measured = (set(part[project.data.target].unique().tolist()) for part in (training, holdout))
    for here, there, where in ((learnt, measured, "the holdout"), (measured, learnt, "training")):
        if absent := sorted(map(repr, here - there)):
            raise DataError(
                f"{project.path}: data.split: no row of {', '.join(absent[:5])} is in {where}; split by "
                "`stratified`, widen training.window, or set such rows aside by an expectation"
            )


def check_fit(project: "Project", rows: "pd.DataFrame") -> None:
    """Raise `DataError` or `ProjectError` if weights, threshold or fairness gates of the file do not fit *rows*."""
    from sklearn.base import is_classifier

    from regrow.decisions.refusals import TWO_CLASSES
    from regrow.models.thresholds import require_two_classes
    from regrow.models.weights import name_classes, sample_weights
    from regrow.project import FairnessGate
    from regrow.project.estimators import build_estimator

    training, target = project.training, rows[project.data.target]
    estimator = build_estimator(training, project.path)
    sample_weights(training.sample_weight, rows, project.data.timestamp)
    name_classes(estimator, target)
    if not is_classifier(estimator):
        return
    classes = target.nunique()
    if training.threshold is not None:
        require_two_classes(classes)
    for place, gate in enumerate(project.evaluation.gates):
        if isinstance(gate, FairnessGate) and classes != 2:
            raise ProjectError(
                f"{project.path}: evaluation.gates.{place}: {TWO_CLASSES}, and `{project.data.target}` has {classes}; "
                "take a slice gate"
            )
