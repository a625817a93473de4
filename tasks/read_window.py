"""Find the window of the prediction log that is watched."""

from datetime import datetime

from regrow.base.errors import DataError
from regrow.data.predictions import count_predictions
from regrow.data.windows import Window, window_of
from regrow.lineage import announce, current, step
from regrow.project import Project


def find_window(model: str, start: datetime, end: datetime, max_rows: int) -> Window:
    """Describe the predictions of *model* in [*start*, *end*), at most *max_rows* sampled ones.

    Raises `DataError` if there is none: no retraining cures missing traffic, so it is no alarm.
    """
    window = window_of(model, start, end, max_rows)
    if window is None:
        raise DataError(
            f"no predictions were logged for {model} between {start:%Y-%m-%d %H:%M} and "
            f"{end:%Y-%m-%d %H:%M} UTC; check that the model server runs and is asked, "
            "or watch a longer monitoring.window"
        )
    return window


@step(retries=2, retry_delay_seconds=[5, 30])
def read_window(project: Project, start: datetime, end: datetime) -> Window:
    """Find the predictions that were served for events in [*start*, *end*), as the log holds them now."""
    run = current()
    try:
        window = find_window(project.name, start, end, project.monitoring.drift.max_rows)
    except DataError as error:
        announce(project, "traffic.missing", str(error), as_of=end)
        raise
    run.log_input(window, "window")
    run.log_params({"start": start.isoformat(), "end": end.isoformat()})
    served = count_predictions(project.name, start, end)
    run.log_metrics({"window.served": float(served), "window.rows": float(window.rows)})
    return window
