"""What is true of a model in production: versions, the champion, the open rollout, and the ledger of every move.

The last move is the truth; the aliases and tags of the registered model follow from it. `settle` writes what a
writer that died did not get to write.
"""

from regrow.registry.connection import connect, reaching
from regrow.registry.promotion import Confirm, confirm_or_put_back, promote, rival, roll_back
from regrow.registry.rollouts import advance, end_rollout, finish, open_rollout, pause, resume, start_rollout
from regrow.registry.settling import ledger, make_move, served_well, settle, state
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
    "CHALLENGER", "CHAMPION", "PREVIOUS", "Confirm", "Move", "Rollout", "State", "Version", "advance", "by_alias",
    "champion", "confirm_or_put_back", "connect", "end_rollout", "find_registered", "finish", "ledger", "make_move",
    "open_rollout", "pause", "promote", "reaching", "read_facts", "register", "resume", "rival", "roll_back",
    "served_well", "settle", "start_rollout", "state", "version",
]  # fmt: skip
