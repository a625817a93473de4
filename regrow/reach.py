"""Whether the servers that a command needs answer, asked before anything is done."""

import httpx

from regrow.errors import Unreachable
from regrow.settings import Settings


def check_reachable(settings: Settings, prefect: bool = True) -> None:
    """Raise `Unreachable` where MLflow, or with *prefect* Prefect, does not answer."""
    if prefect:
        _ask("Prefect", f"{settings.prefect_api_url}/health", "PREFECT_API_URL")
    if settings.tracking_uri.startswith("http"):
        _ask("MLflow", f"{settings.tracking_uri}/health", "MLFLOW_TRACKING_URI")


def _ask(name: str, url: str, variable: str) -> None:
    """Ask *url* once."""
    try:
        httpx.get(url, timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise Unreachable(
            f"{name} does not answer at {url} ({error}); start the servers with `regrow up`, "
            f"or set {variable}"
        ) from error
