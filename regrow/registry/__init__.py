"""What is true of a model in production: versions, the champion, the open rollout, and the ledger of every move.

The last move is the truth; the aliases and tags of the registered model follow from it. `reconcile` writes what a
writer that died did not get to write.
"""

from regrow.registry.connection import connect, reaching
from regrow.registry.ledger import Ledger, ledger, state
from regrow.registry.promotion import (
    Confirm,
    champion_at,
    champion_to_beat,
    confirm_or_put_back,
    promote,
    roll_back,
)
from regrow.registry.reconciliation import make_move, reconcile
from regrow.registry.rollout_moves import (
    advance,
    end_rollout,
    finish,
    open_rollout,
    pause,
    resume,
    start_rollout,
)
from regrow.registry.state import Move, Rollout, State
from regrow.registry.versions import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    Version,
    by_alias,
    champion,
    find_registered,
    read_facts,
    register,
    version,
)

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "Confirm",
    "Ledger",
    "Move",
    "Rollout",
    "State",
    "Version",
    "advance",
    "by_alias",
    "champion",
    "champion_at",
    "champion_to_beat",
    "confirm_or_put_back",
    "connect",
    "end_rollout",
    "find_registered",
    "finish",
    "ledger",
    "make_move",
    "open_rollout",
    "pause",
    "promote",
    "reaching",
    "read_facts",
    "reconcile",
    "register",
    "resume",
    "roll_back",
    "start_rollout",
    "state",
    "version",
]  # fmt: skip
