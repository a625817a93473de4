"""What is true of a model in production, and the moves that made it so."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from regrow.base.formats import StoredRecord
from regrow.project import RolloutPlan, Stage

MoveKind = Literal[
    "promote", "start", "advance", "pause", "resume", "finish", "roll back", "put back", "by hand"
]  # fmt: skip


class Rollout(BaseModel):
    """A challenger that proves itself on live traffic: its plan, the stage that it is in, and since when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Names the rollout in the prediction log and in the split of the traffic: `v4-20130501T000000`."""
    plan: RolloutPlan
    stage: int
    """Index into the plan's stages."""
    since: datetime
    """When the stage began, by the `as_of` of the run that began it."""
    began: datetime
    """When the rollout began, by the `as_of` of the run that started it."""
    paused: bool = False
    """Whether it stays in its stage until somebody resumes it; a broken limit still rolls it back."""

    @property
    def current(self) -> Stage:
        """The stage that it is in."""
        return self.plan.stages[self.stage]

    @property
    def is_last(self) -> bool:
        """Whether the champion's place comes after this stage."""
        return self.stage == len(self.plan.stages) - 1


class State(StoredRecord):
    """Who answers: the champion, and the challenger while a rollout is open."""

    champion: int | None = None
    challenger: int | None = None
    rollout: Rollout | None = None
    move: int = 0
    """Number of the move that led here; 0 before the first."""


class Move(StoredRecord):
    """One step of the state, written once and never changed: who or what made it, why, when, and what it led to."""

    number: int
    id: str
    """Random, so that two writers never write the same text."""
    at: datetime
    as_of: datetime
    """The moment that the run which moved took for now."""
    actor: str
    reason: str
    kind: MoveKind
    version: int | None = None
    """The version that it is about: the one that takes a place, or the one that loses it."""
    before: int | None = None
    """The champion before."""
    state: State
    """What is true from here on."""
    rows: int | None = None
    """Rows answered since the move before; None if they could not be counted."""
