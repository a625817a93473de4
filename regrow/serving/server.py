"""Start the model server and stop it without losing a row."""

import argparse
import logging
import os
import signal
from types import FrameType

from regrow.errors import RegrowError, ServingError
from regrow.serving.limits import MAX_BYTES, MAX_ROWS, Limits
from regrow.settings import Settings, apply_environment, load_settings

QUICK_REGISTRY = {
    "OMP_NUM_THREADS": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""The server's own choices: one native thread, and a registry that is down is noticed in seconds."""
GRACE_SECONDS = 20


def serve(
    host: str,
    port: int,
    models: tuple[str, ...],
    settings: Settings,
    *,
    max_bytes: int = MAX_BYTES,
    max_rows: int = MAX_ROWS,
) -> None:
    """Serve the champions of *models* (none: every model that has one) on *host* until SIGTERM or SIGINT.

    Requests over *max_bytes* or *max_rows* are refused.
    Raises `ServingError` where the address needs a key and there is none, or is taken.
    """
    for key, value in QUICK_REGISTRY.items():
        os.environ.setdefault(key, value)
    apply_environment(settings)
    from regrow.serving.access import Keys, require_key_beyond_loopback

    require_key_beyond_loopback(host, Keys(settings))
    _run(host, port, models, settings, Limits(max_bytes, max_rows))


def _run(host: str, port: int, models: tuple[str, ...], settings: Settings, limits: Limits) -> None:
    """Build the parts and run them under uvicorn."""
    import mlflow
    import uvicorn

    from regrow.serving.access import Keys
    from regrow.serving.app import Server, create_app
    from regrow.serving.champions import Champions
    from regrow.serving.fold import Folder
    from regrow.serving.measures import Measures

    mlflow.set_tracking_uri(settings.tracking_uri)
    measures = Measures()
    champions = Champions(mlflow.MlflowClient(), models, measures)
    server = Server(settings, champions, Folder(settings.journal), measures, limits, Keys(settings))
    config = uvicorn.Config(
        create_app(server),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    running = uvicorn.Server(config)
    _leave_signals_to_uvicorn()
    try:
        running.run()
    except SystemExit as error:
        raise ServingError(f"{host}:{port} cannot be listened on; give another port") from error


def _leave_signals_to_uvicorn() -> None:
    """Let a stop end with exit code 0: uvicorn raises the signal again once it has stopped."""

    def ignore(_number: int, _frame: FrameType | None) -> None:
        return

    signal.signal(signal.SIGTERM, ignore)
    signal.signal(signal.SIGINT, ignore)


def main() -> None:
    """Read the command line and serve."""
    settings = load_settings()
    parser = argparse.ArgumentParser(prog="python -m regrow.serving", description=main.__doc__)
    parser.add_argument("--host", default=settings.host)
    parser.add_argument("--port", type=int, default=settings.server_port)
    parser.add_argument(
        "--model", action="append", default=[], help="a model to serve; default: all with a champion"
    )
    parser.add_argument("--max-bytes", type=int, default=MAX_BYTES, help="largest request, in bytes")
    parser.add_argument("--max-rows", type=int, default=MAX_ROWS, help="most rows in one request")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("regrow").setLevel(logging.INFO)
    limits = {"max_bytes": given.max_bytes, "max_rows": given.max_rows}
    try:
        serve(given.host, given.port, tuple(given.model), settings, **limits)
    except RegrowError as error:
        raise SystemExit(f"regrow: {error}") from error
