"""The labels: the ground truth that came after the predictions."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from regrow.errors import DataError
from regrow.settings import load_settings
from regrow.tables.delta import TIME, append, open_table

LABELS = pa.schema(
    [("entity_id", pa.string()), ("label", pa.float64()), ("label_text", pa.string()), ("labelled_at", TIME)]
)
"""The ground truth: a number stands in `label`, anything else in `label_text`."""


def labels_path(model: str) -> Path:
    """Give the folder of *model*'s labels."""
    return load_settings().tables / "labels" / model


def append_labels(model: str, frame: pd.DataFrame, transaction: str, number: int = 1) -> bool:
    """Append *frame* (`entity_id`, `label`, `labelled_at`) to *model*'s labels; False where done before.

    Raises `DataError` where a column is missing, `StateError` where the table cannot be written.
    """
    missing = sorted({"entity_id", "label", "labelled_at"} - set(frame.columns))
    if missing:
        raise DataError(
            f"labels of {model}: column {missing[0]!r} is missing; give entity_id, label and labelled_at"
        )
    numbers = pd.to_numeric(frame["label"], errors="coerce").astype("float64")
    text = frame["label"].astype("object").where(numbers.isna() & frame["label"].notna(), None)
    columns = {
        "entity_id": pa.array(map(str, frame["entity_id"]), pa.string()),
        "label": pa.array(numbers, pa.float64(), from_pandas=True),
        "label_text": pa.array([None if value is None else str(value) for value in text], pa.string()),
        "labelled_at": pa.array(pd.to_datetime(frame["labelled_at"], utc=True).dt.as_unit("us"), TIME),
    }
    return append(labels_path(model), pa.table(columns, schema=LABELS), transaction, number)


def read_labels(model: str) -> pd.DataFrame:
    """Read *model*'s labels as `entity_id`, `label`, `labelled_at`; the last label of an entity wins."""
    table = open_table(labels_path(model))
    data = LABELS.empty_table() if table is None else table.to_pyarrow_dataset().to_table()
    frame = data.to_pandas().sort_values("labelled_at", kind="stable")
    frame = frame.drop_duplicates("entity_id", keep="last").reset_index(drop=True)
    if frame["label_text"].notna().any():
        frame["label"] = (
            frame["label"].astype("object").where(frame["label_text"].isna(), frame["label_text"])
        )
    return frame[["entity_id", "label", "labelled_at"]]
