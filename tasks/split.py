"""Split accepted rows into a training part and a holdout that no fit ever sees."""

from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.decisions.splitting import part_rows
from regrow.lineage import current, step
from regrow.project import Project
from regrow.results import Parts


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def split(project: Project, accepted: Snapshot) -> Parts:
    """Write the training part and the holdout of *accepted* as snapshots of their own."""
    frame, data = accepted.read(), project.data
    training, holdout = part_rows(frame, data, project.training.seed)
    parts = Parts(
        training=write_snapshot(frame.iloc[training].reset_index(drop=True), data.timestamp),
        holdout=write_snapshot(frame.iloc[holdout].reset_index(drop=True), data.timestamp),
    )
    run = current()
    run.log_input(accepted, "accepted")
    run.log_input(parts.training, "training")
    run.log_input(parts.holdout, "holdout")
    run.log_metrics({"rows.training": parts.training.rows, "rows.holdout": parts.holdout.rows})
    return parts
