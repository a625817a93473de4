"""Bring versions into memory, and let each predict some rows so that it answers its first request warm."""

import gc
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from mlflow import MlflowClient
from numpy.typing import NDArray

from regrow.base.errors import DataError, RegistryError, RegrowError, StateError
from regrow.data.store_files import open_parquet
from regrow.models.contract import Contract
from regrow.models.fast_path.proof import TAG, trusted
from regrow.models.stored import LoadedModel, load_model
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict.versions import ServedVersion

LOG = logging.getLogger("regrow.serving")
WARM_ROWS = 4
RETRY_SECONDS = 30.0
"""The longest wait before a version that could not be loaded is tried again; the first is a second."""
KEPT = 3
"""Versions that stay in memory: champion, challenger, and the one before, to which a rollback returns at once."""


@dataclass(frozen=True)
class FailedLoad:
    """A version that could not be loaded, and when it is tried again, by `time.monotonic`."""

    reason: str
    attempts: int
    until: float


class VersionsInMemory:
    """The versions of one model that are loaded, that are being loaded, and that could not be."""

    def __init__(self, model: str, metrics: ServerMetrics, wake: Callable[[], None]) -> None:
        self.loaded: dict[int, ServedVersion] = {}
        """The version used last stands at the end."""
        self.failed: dict[int, FailedLoad] = {}
        self._model = model
        self._metrics = metrics
        self._wake = wake
        """Called from another thread once a load has ended."""
        self._loading: dict[int, tuple[float, Future[ServedVersion]]] = {}

    @property
    def is_loading(self) -> bool:
        """Whether a version is being loaded."""
        return bool(self._loading)

    def get(self, version: int, pool: ThreadPoolExecutor) -> ServedVersion | None:
        """Return *version*, or None while *pool* loads it, or if that failed; then it is tried again later."""
        if version in self.loaded:
            return self.loaded[version]
        if version in self._loading:
            return self._take(version)
        failed = self.failed.get(version)
        if failed is None or time.monotonic() >= failed.until:
            loading = pool.submit(load_version, self._model, version)
            self._loading[version] = time.monotonic(), loading
            loading.add_done_callback(lambda _: self._wake())
        return None

    def use(self, *versions: ServedVersion | None) -> None:
        """Note that *versions* are in use, the last one most; the longest unused leave the memory."""
        for served in versions:
            if served is not None:
                self.loaded.pop(served.version, None)
                self.loaded[served.version] = served
        for version in tuple(self.loaded)[:-KEPT]:
            del self.loaded[version]

    def _take(self, version: int) -> ServedVersion | None:
        """Return *version* if it has been loaded by now."""
        began, loading = self._loading[version]
        if not loading.done():
            return None
        del self._loading[version]
        error = loading.exception()
        if error is not None:
            self._fail(version, error)
            return None
        self.failed.pop(version, None)
        self._metrics.load_seconds.labels(self._model, str(version)).set(time.monotonic() - began)
        self.loaded[version] = loading.result()
        return self.loaded[version]

    def _fail(self, version: int, error: BaseException) -> None:
        """Keep why *version* could not be loaded, and when it is tried again."""
        attempts = self.failed[version].attempts + 1 if version in self.failed else 1
        wait = min(RETRY_SECONDS, 2.0 ** (attempts - 1))
        reason = str(error) if isinstance(error, RegrowError) else f"{type(error).__name__}: {error}"
        self.failed[version] = FailedLoad(reason, attempts, time.monotonic() + wait)
        self._metrics.load_failures.labels(self._model, str(version)).inc()
        LOG.error(
            "%s: version %d cannot be loaded, next attempt in %.0f s: %s", self._model, version, wait, reason
        )


def load_version(name: str, version: int) -> ServedVersion:
    """Load *version* of *name*, warm; raises `RegistryError` if it cannot serve."""
    model = load_model(f"models:/{name}/{version}")
    contract = model.contract
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
    served = ServedVersion(version, model, contract, time.time(), width, trusted(model, tag, rows))
    _spare_the_collector()
    return served


def _spare_the_collector() -> None:
    """Leave what is in memory now out of later garbage collections.

    A full one walks every library and model: it held up all requests for a fifth of a second, each second of load.
    A version is freed all the same when its last reference goes.
    """
    gc.collect()
    gc.freeze()


def _rows_of_holdout(model: LoadedModel, contract: Contract) -> pd.DataFrame | None:
    """Return some rows of the holdout, if its file is in the store."""
    if not set(contract.features) <= set(model.facts.holdout.columns):
        return None
    try:
        file = pq.ParquetFile(open_parquet(model.facts.holdout.path))
    except (FileNotFoundError, StateError):  # Gone, or the store is away: the model itself is here.
        return None
    for batch in file.iter_batches(WARM_ROWS, columns=contract.features):
        rows = batch.to_pandas()
        return rows if _fits(contract, rows) else None
    return None


def _fits(contract: Contract, rows: pd.DataFrame) -> bool:
    """Return whether *contract* takes *rows*: a model of version 0.1 may refuse rows of its own holdout."""
    try:
        contract.read(rows)
    except DataError:
        return False
    return True


def _neutral_rows(contract: Contract) -> pd.DataFrame:
    """Make a row of neutral values."""
    neutral: dict[str, Any] = {"string": "", "boolean": False, "datetime": pd.Timestamp("2000-01-01")}
    return pd.DataFrame({column.name: [neutral.get(column.type, 0)] for column in contract.columns})


def _try(model: LoadedModel, rows: pd.DataFrame) -> NDArray[np.float64] | None:
    """Predict made-up *rows*; return None if *model* refuses them, which says nothing against it."""
    try:
        return model.predict(rows)
    except DataError:
        return None
