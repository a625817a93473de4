"""Who answers a model's traffic: the champion, and beside it the challenger while a rollout is open."""

from dataclasses import dataclass

import numpy as np
from mlflow.entities.model_registry import RegisteredModel
from numpy.typing import NDArray
from pydantic import ValidationError

from regrow.errors import ServingError
from regrow.models.contract import Contract, Rows
from regrow.models.fast_path.plan import Plan
from regrow.models.stored import LoadedModel
from regrow.registry.state import State

CHAMPION_ALIAS = "champion"
STATE_TAG = "regrow.state"


@dataclass(frozen=True, eq=False)
class Served:
    """A version in memory, ready to answer."""

    version: int
    model: LoadedModel
    contract: Contract
    since: float
    width: tuple[int, ...]
    """The shape of one row's prediction: `()` for a regression, `(classes,)` for a classifier."""
    plan: Plan | None = None
    """The fast path, where it was proven to be identical."""

    def predict(self, requests: list[Rows]) -> NDArray[np.float64]:
        """Predict the rows of *requests* together; raises `ServingError` where the model gives another shape."""
        predictions = self._planned(requests)
        if predictions is None:
            predictions = self.model.predict(self.contract.frame(requests))
        expected = (sum(rows.count for rows in requests), *self.width)
        if predictions.shape != expected:
            raise ServingError(
                f"version {self.version} gave predictions of shape {predictions.shape} instead of {expected}"
            )
        return predictions

    def _planned(self, requests: list[Rows]) -> NDArray[np.float64] | None:
        """Predict few rows past the pipeline, where its own answers were proven to be the same."""
        if self.plan is None:
            return None
        if len(requests) == 1:
            return self.plan.predict(requests[0].features, requests[0].count)
        names = self.contract.features
        joined = {name: [value for rows in requests for value in rows.features[name]] for name in names}
        return self.plan.predict(joined, sum(rows.count for rows in requests))


@dataclass(frozen=True)
class Route:
    """How a model's traffic is split now; it is swapped as a whole."""

    champion: Served
    move: int | None = None
    """Number of the move in the ledger that led here; None where the registry knows of none."""
    rollout: str | None = None
    stage: int | None = None
    weight: float = 0.0
    """Share of the entities that the challenger answers."""
    mirror: float = 0.0
    """Share of the entities that both score."""
    contender: int | None = None
    """The challenger's version."""
    challenger: Served | None = None
    """None outside a rollout, and where the challenger cannot be loaded."""


@dataclass(frozen=True)
class Seen:
    """What the registry says of a model."""

    champion: int
    state: State | None = None
    problem: str | None = None
    """Why the state cannot be read; then there is no rollout."""

    @property
    def settled(self) -> State | None:
        """The state, where it is about the champion that the alias names."""
        return self.state if self.state is not None and self.state.champion == self.champion else None

    @property
    def is_open(self) -> bool:
        """Whether a challenger is to share the traffic."""
        state = self.settled
        return state is not None and state.rollout is not None and state.challenger is not None


def read_seen(model: RegisteredModel) -> Seen | None:
    """Read aliases and state of *model*; None where it has no champion."""
    if CHAMPION_ALIAS not in model.aliases:
        return None
    champion = int(model.aliases[CHAMPION_ALIAS])
    text = model.tags.get(STATE_TAG)
    if text is None:
        return Seen(champion)
    try:
        state = State.model_validate_json(text)
        if state.rollout is not None and not 0 <= state.rollout.stage < len(state.rollout.plan.stages):
            return Seen(champion, None, f"{STATE_TAG}: the plan has no stage {state.rollout.stage}")
    except ValidationError as error:
        return Seen(champion, None, f"{STATE_TAG} cannot be read, so there is no rollout: {error}")
    return Seen(champion, state)


def make_route(seen: Seen, champion: Served, challenger: Served | None) -> Route:
    """Split the traffic between *champion* and *challenger* as *seen* asks; None takes part without an answer."""
    state = seen.settled
    move = state.move if state is not None else None
    if state is None or state.rollout is None or state.challenger is None:
        return Route(champion, move)
    return Route(
        champion,
        move,
        rollout=state.rollout.id,
        stage=state.rollout.stage,
        weight=state.rollout.current.weight,
        mirror=state.rollout.plan.mirror,
        contender=state.challenger,
        challenger=challenger,
    )
