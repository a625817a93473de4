"""What is true of a model in production: versions, the champion, and the ledger of who moved it and why.

All of it stands in the MLflow registry, as aliases and tags. A move writes its intent into the ledger first, then
the alias, then the outcome; whoever finds an intent without an outcome finishes it.
"""

from regrow.registry.state import Move, Rollout, State
from regrow.registry.versions import (
    CHAMPION,
    PREVIOUS,
    LedgerEntry,
    Version,
    by_alias,
    champion,
    connect,
    find_registered,
    ledger,
    promote,
    reaching,
    read_facts,
    register,
    rival,
    version,
)

__all__ = [
    "CHAMPION", "PREVIOUS", "LedgerEntry", "Move", "Rollout", "State", "Version", "by_alias", "champion", "connect",
    "find_registered", "ledger", "promote", "reaching", "read_facts", "register", "rival", "version",
]  # fmt: skip
