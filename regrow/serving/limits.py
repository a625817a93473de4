"""How large a request may be."""

from dataclasses import dataclass

MAX_BYTES = 5_000_000
MAX_ROWS = 10_000


@dataclass(frozen=True)
class Limits:
    """The largest body, in bytes, and the most rows of one request."""

    max_bytes: int = MAX_BYTES
    max_rows: int = MAX_ROWS
