"""Freeze the window of the prediction log that is watched."""

from datetime import datetime

from regrow.data.predictions import count_predictions, read_predictions
from regrow.data.snapshots import write_snapshot
from regrow.errors import DataError
from regrow.lineage import current, step
from regrow.project import Project
from regrow.results import Window


def freeze_window(model: str, start: datetime, end: datetime, max_rows: int) -> Window:
    """Write the predictions of *model* in [*start*, *end*), at most *max_rows* sampled ones, as snapshots.

    Raises `DataError` if there is none: no retraining cures missing traffic, so it is no alarm.
    """
    logged = read_predictions(model, start, end, max_rows)
    if logged.rows.empty:
        raise DataError(
            f"no predictions were logged for {model} between {start:%Y-%m-%d %H:%M} and "
            f"{end:%Y-%m-%d %H:%M} UTC; check that the model server runs and is asked, "
            "or watch a longer monitoring.window"
        )
    return Window(
        predictions=write_snapshot(logged.rows, "event_time"), features=write_snapshot(logged.features)
    )


@step(retries=2, retry_delay_seconds=[5, 30])
def read_window(project: Project, start: datetime, end: datetime) -> Window:
    """Freeze the predictions that were served for events in [*start*, *end*)."""
    run = current()
    window = freeze_window(project.name, start, end, project.monitoring.drift.max_rows)
    run.log_input(window.predictions, "predictions")
    run.log_input(window.features, "window")
    run.log_params({"start": start.isoformat(), "end": end.isoformat()})
    served = count_predictions(project.name, start, end)
    run.log_metrics({"window.served": float(served), "window.rows": float(window.predictions.rows)})
    return window
