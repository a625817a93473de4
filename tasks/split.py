"""Split accepted rows into a training part and a holdout that no fit ever sees."""

import pandas as pd
from prefect import get_run_logger

from regrow.base.verdict import Finding
from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.decisions.held_out import judge_holdout
from regrow.decisions.splitting import part_rows
from regrow.decisions.units import units_of
from regrow.lineage import current, step
from regrow.models.results import Parts
from regrow.project import Project
from regrow.project.estimators import build_estimator


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def split(project: Project, accepted: Snapshot) -> Parts:
    """Write the training part and the holdout of *accepted* as snapshots of their own."""
    frame, data = accepted.read(), project.data
    training, holdout = part_rows(frame, data, project.training.seed, project.training.shortest)
    remark = judge_held_out(project, frame.iloc[holdout])
    parts = Parts(
        training=write_snapshot(frame.iloc[training].reset_index(drop=True), data.timestamp),
        holdout=write_snapshot(frame.iloc[holdout].reset_index(drop=True), data.timestamp),
        known=accepted,
        remarks=(remark,) if remark else (),
    )
    run = current()
    if remark:
        get_run_logger().warning(remark.detail)
        run.tag(holdout=remark.detail)
    run.log_input(accepted, "accepted")
    run.log_input(parts.training, "training")
    run.log_input(parts.holdout, "holdout")
    run.log_metrics({"rows.training": parts.training.rows, "rows.holdout": parts.holdout.rows})
    return parts


def judge_held_out(project: Project, holdout: pd.DataFrame) -> Finding | None:
    """Return what keeps the rows *holdout* from proving any gain, if something does."""
    from sklearn.base import is_classifier

    classifier = is_classifier(build_estimator(project.training, project.path))
    units = units_of(holdout, project.data)
    return judge_holdout(project.evaluation, holdout[project.data.target], units, classifier=classifier)
