"""Bring a version into memory and let it predict some rows, so that it answers its first request warm."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from mlflow import MlflowClient

from regrow.errors import RegistryError
from regrow.models import LoadedModel, load_model
from regrow.scoring.proof import TAG, trusted
from regrow.serving.contract import Contract
from regrow.serving.routes import Served

WARM_ROWS = 4


def load(name: str, version: int) -> Served:
    """Load *version* of *name*, warm; raises `RegistryError` where it cannot serve."""
    model = load_model(f"models:/{name}/{version}")
    contract = Contract(model)
    rows = _rows_to_warm(model, contract)
    predicted = model.predict(rows)
    if len(predicted) != len(rows) or predicted.ndim != (1 if model.facts.kind == "regression" else 2):
        raise RegistryError(
            f"{name} version {version}: predictions of shape {np.shape(predicted)}; train it again"
        )
    tag = MlflowClient().get_model_version(name, str(version)).tags.get(TAG)
    return Served(version, model, contract, time.time(), predicted.shape[1:], trusted(model, tag, rows))


def _rows_to_warm(model: LoadedModel, contract: Contract) -> pd.DataFrame:
    """Give some rows of the holdout, where its file is on this machine; else rows of neutral values."""
    path = Path(unquote(urlparse(model.facts.holdout.uri).path))
    if path.is_file() and set(contract.features) <= set(model.facts.holdout.columns):
        batches = pq.ParquetFile(path).iter_batches(WARM_ROWS, columns=contract.features)
        for batch in batches:
            return batch.to_pandas()
    neutral: dict[str, Any] = {"string": "", "boolean": False, "datetime": pd.Timestamp("2000-01-01")}
    return pd.DataFrame({column.name: [neutral.get(column.type, 0)] for column in contract.columns})
