"""What the registry says that this server should serve."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from pydantic import ValidationError

from regrow.base.errors import NewerFormat
from regrow.base.tracking import CHAMPION, STATE, Outline
from regrow.registry.connection import is_absent, registered_models
from regrow.registry.state import State
from regrow.serving.predict.versions import ServedVersion, TrafficSplit


@dataclass(frozen=True)
class Expected:
    """What the registry says of a model: its champion, and the state of its rollout."""

    champion: int
    state: State | None = None
    problem: str | None = None
    """Why the state cannot be read; then there is no rollout."""

    @property
    def settled(self) -> State | None:
        """The state, if it is about the champion that the alias names."""
        return self.state if self.state is not None and self.state.champion == self.champion else None

    @property
    def challenger(self) -> int | None:
        """The version that is to share the traffic; None if no rollout is open."""
        state = self.settled
        return None if state is None or state.rollout is None else state.challenger

    def split(self, champion: ServedVersion, challenger: ServedVersion | None) -> TrafficSplit:
        """Return the split of the traffic; a *challenger* of None is on record and answers nothing."""
        state = self.settled
        if state is None or state.rollout is None or state.challenger is None:
            return TrafficSplit(champion, None if state is None else state.move)
        return TrafficSplit(
            champion,
            state.move,
            rollout=state.rollout.id,
            stage=state.rollout.stage,
            weight=state.rollout.current.weight,
            mirror=state.rollout.plan.mirror,
            contender=state.challenger,
            challenger=challenger,
        )


Ask = Callable[[], tuple[Outline, ...] | None]
"""Asks for the outline of every model; None if the server cannot tell it."""
ASK_AGAIN = 60.0
"""Seconds after which a server that had no outlines is asked for them again: it may be another one by then."""


class RegistryReader:
    """Reads aliases and state of the models *names*; of every registered model if there are none.

    It takes one question for all: by *ask* if the server can tell, else by MLflow's search; one model is asked by name.
    """

    def __init__(self, client: MlflowClient, names: tuple[str, ...], ask: Ask = lambda: None) -> None:
        self.names = names
        self._client = client
        self._ask = ask
        self._next_ask = 0.0

    def read(self) -> dict[str, Expected]:
        """Read every model that has a champion; raises `MlflowException`."""
        if time.monotonic() >= self._next_ask:
            if (outlines := self._ask()) is not None:
                wanted = [one for one in outlines if not self.names or one.name in self.names]
                return {one.name: follow_outline(one.champion, one.state) for one in wanted}
            self._next_ask = time.monotonic() + ASK_AGAIN
        alone = self.names[0] if len(self.names) == 1 else None
        models = [self._model(alone)] if alone else registered_models(self._client)
        read = {model.name: read_expected(model) for model in models if model is not None}
        return {
            name: expected
            for name, expected in read.items()
            if expected is not None and (not self.names or name in self.names)
        }

    def _model(self, name: str) -> RegisteredModel | None:
        """Read the registered model *name*; return None if there is none yet."""
        try:
            return self._client.get_registered_model(name)
        except MlflowException as error:
            if is_absent(error):
                return None
            raise


def read_expected(model: RegisteredModel) -> Expected | None:
    """Read aliases and state of *model*; return None if it has no champion."""
    if CHAMPION not in model.aliases:
        return None
    return follow_outline(int(model.aliases[CHAMPION]), model.tags.get(STATE))


def follow_outline(champion: int, text: str | None) -> Expected:
    """Return what a *champion* and the *text* of the state, if the model has one, ask of a server."""
    if text is None:
        return Expected(champion)
    try:
        state = State.read(text)
    except (ValidationError, NewerFormat) as error:
        return Expected(champion, None, f"{STATE} cannot be read, so there is no rollout: {error}")
    if state.rollout is not None and not 0 <= state.rollout.stage < len(state.rollout.plan.stages):
        return Expected(champion, None, f"{STATE}: the plan has no stage {state.rollout.stage}")
    return Expected(champion, state)
