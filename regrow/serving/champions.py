"""Follow the `champion` alias of each model: load the new version beside the old, warm it, swap."""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from regrow.errors import RegistryError, RegrowError, Unreachable
from regrow.models import LoadedModel, load_model
from regrow.serving.contract import Contract
from regrow.serving.measures import Measures

LOG = logging.getLogger("regrow.serving")
ALIAS = "champion"
RETRY_SECONDS = 30.0
WARM_ROWS = 4


@dataclass(frozen=True, eq=False)
class Served:
    """A version in memory, ready to answer."""

    version: int
    model: LoadedModel
    contract: Contract
    since: float


@dataclass
class Slot:
    """A model's place: what answers now, and what was refused."""

    served: Served | None = None
    problem: str | None = None
    refused: dict[int, float] = field(default_factory=dict)
    """Versions that could not be loaded, each with the time of its next attempt."""


class Champions(threading.Thread):
    """The thread that keeps each model's champion in memory."""

    def __init__(
        self, client: MlflowClient, names: tuple[str, ...], measures: Measures, interval: float = 1.0
    ) -> None:
        super().__init__(name="champions", daemon=True)
        self.names = names
        self.slots: dict[str, Slot] = {name: Slot() for name in names}
        self.error: str | None = None
        self.polled: float | None = None
        self._client = client
        self._measures = measures
        self._interval = interval
        self._stop_asked = threading.Event()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")

    def run(self) -> None:
        """Look at the registry every interval until asked to stop."""
        while not self._stop_asked.is_set():
            self.poll()
            self._stop_asked.wait(self._interval)

    def stop(self) -> None:
        """Stop following."""
        self._stop_asked.set()
        self._loader.shutdown(wait=False, cancel_futures=True)

    def poll(self) -> None:
        """Look once; where the registry does not answer, what is in memory goes on."""
        asked = self._loader.submit(self._aliases)
        error = asked.exception()
        if error is not None:
            if self.error is None:
                LOG.error("the registry does not answer, the loaded versions go on: %s", error)
            self.error = str(Unreachable(f"the registry does not answer: {error}"))
            self._measures.registry_up.set(0)
            return
        self.error, self.polled = None, time.time()
        self._measures.registry_up.set(1)
        self._follow(asked.result())

    def ready(self) -> bool:
        """Say whether any champion answers."""
        return any(slot.served for slot in tuple(self.slots.values()))

    def single(self) -> str | None:
        """Name the model where exactly one is served."""
        return next(iter(self.slots)) if len(self.slots) == 1 else None

    def _aliases(self) -> dict[str, int]:
        """Read which version is each model's champion."""
        if not self.names:
            return dict(self._discover())
        found = {name: self._champion(name) for name in self.names}
        return {name: version for name, version in found.items() if version is not None}

    def _discover(self) -> Iterator[tuple[str, int]]:
        """Find every registered model that has a champion."""
        token: str | None = None
        while True:
            page = self._client.search_registered_models(max_results=100, page_token=token)
            for model in page:
                if ALIAS in model.aliases:
                    yield model.name, int(model.aliases[ALIAS])
            token = page.token
            if not token:
                return

    def _champion(self, name: str) -> int | None:
        """Read the champion of *name*; None where there is none yet."""
        try:
            return int(self._client.get_model_version_by_alias(name, ALIAS).version)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise

    def _follow(self, aliases: dict[str, int]) -> None:
        """Bring the slots in line with *aliases*."""
        for name in set(self.slots) - set(aliases):
            if name in self.names:
                self.slots[name] = Slot(problem=f"no version of {name!r} has the alias {ALIAS!r} yet")
            else:
                del self.slots[name]
        for name, version in sorted(aliases.items()):
            self._bring(name, self.slots.setdefault(name, Slot()), version)

    def _bring(self, name: str, slot: Slot, version: int) -> None:
        """Load *version* of *name* into *slot*, unless it is there or was refused a moment ago."""
        if slot.served is not None and slot.served.version == version:
            slot.problem = None
            return
        if time.monotonic() < slot.refused.get(version, 0.0):
            return
        loading = self._loader.submit(load, name, version)
        error = loading.exception()
        if error is not None:
            slot.refused[version] = time.monotonic() + RETRY_SECONDS
            slot.problem = f"version {version} cannot be served: {_said(error)}"
            LOG.error("%s: %s", name, slot.problem)
            return
        slot.served, slot.problem = loading.result(), None
        self._measures.version.labels(name).set(version)
        self._measures.swaps.labels(name).inc()
        LOG.info("%s: version %d answers", name, version)


def load(name: str, version: int) -> Served:
    """Load *version* of *name* and let it predict some rows, so that it answers its first request warm."""
    model = load_model(f"models:/{name}/{version}")
    contract = Contract(model)
    rows = _rows_to_warm(model, contract)
    predicted = model.predict(rows)
    if len(predicted) != len(rows) or predicted.ndim != (1 if model.facts.kind == "regression" else 2):
        raise RegistryError(
            f"{name} version {version}: predictions of shape {np.shape(predicted)}; train it again"
        )
    return Served(version, model, contract, time.time())


def _rows_to_warm(model: LoadedModel, contract: Contract) -> pd.DataFrame:
    """Give some rows of the holdout, where its file is on this machine; else rows of neutral values."""
    path = Path(unquote(urlparse(model.facts.holdout.uri).path))
    if path.is_file() and set(contract.features) <= set(model.facts.holdout.columns):
        batches = pq.ParquetFile(path).iter_batches(WARM_ROWS, columns=contract.features)
        for batch in batches:
            return batch.to_pandas()
    neutral: dict[str, Any] = {"string": "", "boolean": False, "datetime": pd.Timestamp("2000-01-01")}
    return pd.DataFrame({column.name: [neutral.get(column.type, 0)] for column in contract.columns})


def _said(error: BaseException) -> str:
    """Give *error*'s own words where it is one of ours, with its type where it is not."""
    return str(error) if isinstance(error, RegrowError) else f"{type(error).__name__}: {error}"
