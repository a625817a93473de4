"""The versions that answer a model's traffic, and how the traffic is split between them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regrow.base.errors import ServingError
from regrow.models.contract import Contract, Rows
from regrow.models.explaining.attributions import Explainer
from regrow.models.fast_path.compiling import FastPath
from regrow.models.metrics import Label
from regrow.models.stored import LoadedModel


@dataclass(frozen=True, eq=False)
class ServedVersion:
    """A version in memory, ready to answer."""

    version: int
    model: LoadedModel
    contract: Contract
    since: float
    width: tuple[int, ...]
    """The shape of one row's prediction: `()` for a regression, `(classes,)` for a classifier."""
    fast_path: FastPath | None = None
    """The fast path, if it was proven to be identical."""

    @cached_property
    def explainer(self) -> Explainer:
        """What explains its answers; made at the first request that asks, for one thread."""
        return Explainer(self.model)

    def decide(self, prediction: float | list[float] | None) -> Label | None:
        """Return the class that the version decides for by its threshold; None if it has none, or did not predict."""
        threshold = self.model.facts.threshold
        if threshold is None or not isinstance(prediction, list):  # Only a classifier of two classes has one.
            return None
        return self.model.facts.classes[int(prediction[1] >= threshold)]

    def predict(self, requests: list[Rows]) -> NDArray[np.float64]:
        """Predict the rows of *requests* together; raises `ServingError` if the model returns another shape."""
        predictions = self._by_fast_path(requests)
        if predictions is None:
            predictions = self.model.predict_checked(self.contract.frame(requests))
        expected = (sum(rows.count for rows in requests), *self.width)
        if predictions.shape != expected:
            raise ServingError(
                f"version {self.version} gave predictions of shape {predictions.shape} instead of {expected}"
            )
        return predictions

    def _by_fast_path(self, requests: list[Rows]) -> NDArray[np.float64] | None:
        """Predict few rows by the fast path; return None if the pipeline must answer."""
        if self.fast_path is None:
            return None
        if len(requests) == 1:
            return self.fast_path.predict(requests[0].features, requests[0].count)
        names = self.contract.features
        joined = {name: [value for rows in requests for value in rows.features[name]] for name in names}
        return self.fast_path.predict(joined, sum(rows.count for rows in requests))


@dataclass(frozen=True)
class TrafficSplit:
    """How a model's traffic is split now; it is replaced as a whole."""

    champion: ServedVersion
    move: int | None = None
    """Number of the move in the ledger that led here; None if the registry knows of none."""
    rollout: str | None = None
    stage: int | None = None
    weight: float = 0.0
    """Share of the entities that the challenger answers."""
    mirror: float = 0.0
    """Share of the entities that both score."""
    contender: int | None = None
    """The challenger's version, whether it could be loaded or not."""
    challenger: ServedVersion | None = None
    """None outside of a rollout, and if the challenger cannot be loaded."""
