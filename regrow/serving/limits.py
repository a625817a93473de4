"""How large a request may be, and how many may be in progress."""

from dataclasses import dataclass

MAX_BYTES = 5_000_000
MAX_ROWS = 10_000
MAX_REQUESTS = 1024


@dataclass(frozen=True)
class Limits:
    """The largest body, in bytes, the most rows of one request, and the most requests in progress in one worker.

    Together they bound the memory that clients can take. A body has 30 s to come (`read_body`), an idle connection is
    closed after 75 s; uvicorn sets no limit to a client that never sends its headers, nor to the number of
    connections: beyond a trusted network put a proxy in front.
    """

    max_bytes: int = MAX_BYTES
    max_rows: int = MAX_ROWS
    max_requests: int = MAX_REQUESTS
