"""Start the model server and stop it without losing a row."""

import argparse
import os

from regrow.errors import RegrowError
from regrow.serving.limits import MAX_BYTES, MAX_ROWS, Limits
from regrow.settings import Settings, apply_environment, load_settings

QUICK_REGISTRY = {
    "OMP_NUM_THREADS": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""The server's own choices: one native thread, and a registry that is down is noticed in seconds."""


def serve(
    host: str,
    port: int,
    models: tuple[str, ...],
    settings: Settings,
    *,
    workers: int | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve the champions of *models* (none: every model that has one) on *host* until SIGTERM or SIGINT.

    *workers* processes answer; default: `settings.workers`. Requests over *limits* are refused.
    Raises `ServingError` where the address needs a key and there is none, or is taken.
    """
    for key, value in QUICK_REGISTRY.items():
        os.environ.setdefault(key, value)
    apply_environment(settings)
    from regrow.serving.access import Keys, check_start
    from regrow.serving.workers import run

    check_start(host, Keys(settings))
    run(host, port, models, settings, limits or Limits(), workers or settings.workers)


def main() -> None:
    """Read the command line and serve."""
    settings = load_settings()
    parser = argparse.ArgumentParser(prog="python -m regrow.serving", description=main.__doc__)
    parser.add_argument("--host", default=settings.host)
    parser.add_argument("--port", type=int, default=settings.server_port)
    parser.add_argument("--workers", type=int, default=settings.workers, help="processes that answer")
    parser.add_argument(
        "--model", action="append", default=[], help="a model to serve; default: all with a champion"
    )
    parser.add_argument("--max-bytes", type=int, default=MAX_BYTES, help="largest request, in bytes")
    parser.add_argument("--max-rows", type=int, default=MAX_ROWS, help="most rows in one request")
    given = parser.parse_args()
    limits = Limits(given.max_bytes, given.max_rows)
    try:
        serve(given.host, given.port, tuple(given.model), settings, workers=given.workers, limits=limits)
    except RegrowError as error:
        raise SystemExit(f"regrow: {error}") from error
