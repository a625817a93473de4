"""Bring a version into memory and let it predict some rows, so that it answers its first request warm."""

import gc
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from mlflow import MlflowClient
from numpy.typing import NDArray

from regrow.errors import RegistryError
from regrow.models.contract import Contract
from regrow.models.fast_path.proof import TAG, trusted
from regrow.models.stored import LoadedModel, load_model
from regrow.serving.routes import Served

WARM_ROWS = 4


def load(name: str, version: int) -> Served:
    """Load *version* of *name*, warm; raises `RegistryError` where it cannot serve."""
    model = load_model(f"models:/{name}/{version}")
    contract = Contract(model)
    rows = _rows_of_holdout(model, contract)
    width = () if model.facts.kind == "regression" else (len(model.facts.classes),)
    if rows is None:
        rows = _neutral_rows(contract)
        predicted = _try(model, rows)
    else:
        predicted = model.predict(rows)
    if predicted is not None and predicted.shape != (len(rows), *width):
        raise RegistryError(
            f"{name} version {version}: predictions of shape {np.shape(predicted)}; train it again"
        )
    tag = MlflowClient().get_model_version(name, str(version)).tags.get(TAG)
    served = Served(version, model, contract, time.time(), width, trusted(model, tag, rows))
    _spare_the_collector()
    return served


def _spare_the_collector() -> None:
    """Leave what is in memory now out of later collections.

    A full one walks every library and model: it held up all requests for a fifth of a second, each second of load.
    A version is freed all the same when its last reference goes.
    """
    gc.collect()
    gc.freeze()


def _rows_of_holdout(model: LoadedModel, contract: Contract) -> pd.DataFrame | None:
    """Give some rows of the holdout, where its file is on this machine."""
    path = Path(unquote(urlparse(model.facts.holdout.uri).path))
    if path.is_file() and set(contract.features) <= set(model.facts.holdout.columns):
        batches = pq.ParquetFile(path).iter_batches(WARM_ROWS, columns=contract.features)
        for batch in batches:
            return batch.to_pandas()
    return None


def _neutral_rows(contract: Contract) -> pd.DataFrame:
    """Give a row of neutral values."""
    neutral: dict[str, Any] = {"string": "", "boolean": False, "datetime": pd.Timestamp("2000-01-01")}
    return pd.DataFrame({column.name: [neutral.get(column.type, 0)] for column in contract.columns})


def _try(model: LoadedModel, rows: pd.DataFrame) -> NDArray[np.float64] | None:
    """Predict *rows* that nobody has seen before; None where *model* refuses them, which says nothing against it."""
    try:
        return model.predict(rows)
    except ValueError:
        return None
