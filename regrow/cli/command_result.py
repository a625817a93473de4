"""What a command came to, and the pages that hold more of it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regrow.base.verdict import Verdict
    from regrow.models.results import Scored
    from regrow.registry import State

MOVING = frozenset({"train", "retrain", "rollout", "rollback"})
"""The commands after which another version may answer."""


@dataclass(frozen=True)
class CommandResult:
    """The result of a *command* on a *model*, the state of the model after it, and the pages that hold more."""

    command: str
    model: str
    result: "Verdict | Scored"
    links: dict[str, str] = field(default_factory=dict)
    state: "State | None" = None
