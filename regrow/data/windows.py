"""A window of the prediction log, described by where its rows stand instead of copied.

The log is a table whose versions can be read back, so its version, the period and the size of the sample name the rows;
a digest proves that they are the same ones when a later step reads them.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime

import pandas as pd
from pydantic import BaseModel, ConfigDict

from regrow.base.errors import SnapshotError, StateError
from regrow.data.delta import table_version
from regrow.data.predictions import LoggedPredictions, predictions_path, read_predictions
from regrow.data.snapshots import Snapshot


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: int
    """Version of the table of predictions."""
    start: datetime
    end: datetime
    """Event times of the rows: [start, end)."""
    rows: int
    columns: dict[str, str]
    """Column names in order, each with its type."""
    digest: str
    """SHA-256 of what names the rows, in hexadecimal."""

    @property
    def source_type(self) -> str:
        """What MLflow calls a place like this one."""
        return "delta_table"

    @property
    def source(self) -> str:
        """Where the rows stand, as MLflow keeps it."""
        query = self.model_dump(mode="json", exclude={"rows", "columns", "digest"})
        return json.dumps({"table": f"predictions/{self.model}", **query})


class Window(_Described):
    """Predictions that a client got, as the log held them at one moment; of more than *max_rows* a sample."""

    max_rows: int

    def read(self, exact: bool = True) -> LoggedPredictions:
        """Read the rows; if the log does not hold that version any more, from the newest one.

        Raises `SnapshotError` if these are not the same rows, unless *exact* is False.
        """
        try:
            logged = _read(self, self.version)
        except (StateError, OSError):  # Its files are gone since the log was compacted, which changes no row.
            logged = _read(self, None)
        if exact and digest_of(logged.rows["prediction_id"]) != self.digest:
            raise SnapshotError(
                f"predictions of {self.model} from {self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC: the "
                f"log does not hold version {self.version} any more, and rows have come or were erased since; watch "
                f"the window again: regrow monitor, with --as-of {self.end.isoformat()}"
            )
        return logged

    def shared_features(self, reference: Snapshot) -> list[str]:
        """Return the raw columns of *reference* that were logged with the predictions."""
        return [name for name in reference.columns if name in self.columns]


class LabelledRows(_Described):
    """The rows of a window that a version was judged on: those that it predicted, with the labels of one moment."""

    labels: int
    """Version of the table of labels."""
    as_of: datetime
    champion: int


def window_of(model: str, start: datetime, end: datetime, max_rows: int) -> Window | None:
    """Describe the predictions of *model* in [*start*, *end*), at most *max_rows* of them; None if there is none."""
    version = table_version(predictions_path(model))
    logged = read_predictions(model, start, end, max_rows, version=version)
    if logged.rows.empty or version is None:
        return None
    return Window(
        model=model,
        version=version,
        start=start,
        end=end,
        max_rows=max_rows,
        rows=len(logged.rows),
        columns=column_types(logged.features),
        digest=digest_of(logged.rows["prediction_id"]),
    )


def column_types(frame: pd.DataFrame) -> dict[str, str]:
    """Return the columns of *frame* in order, each with its type."""
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


def digest_of(names: Iterable[object]) -> str:
    """Return the SHA-256 of *names*, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(map(str, names))).encode()).hexdigest()


def _read(window: Window, version: int | None) -> LoggedPredictions:
    """Read the rows of *window* from *version* of the log; None: the newest."""
    return read_predictions(window.model, window.start, window.end, window.max_rows, version=version)
