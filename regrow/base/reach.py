"""Whether a server answers: the one place that asks."""

import base64
import os
from urllib.parse import urlsplit

import httpx

from regrow.base.errors import Unreachable
from regrow.base.settings import LOOPBACK, Settings


def why_silent(
    url: str, *, headers: dict[str, str] | None = None, timeout: float = 5.0, any_status: bool = False
) -> str | None:
    """Return why *url* does not answer with success within *timeout* seconds, or None if it does.

    With *any_status* every answer will do. A proxy is not asked for this machine's own servers.
    """
    try:
        # Without TLS there is nothing to verify, and to read all certificates takes longer than the question.
        verify = urlsplit(url).scheme == "https"
        answer = httpx.get(url, headers=headers, timeout=timeout, trust_env=may_use_proxy(url), verify=verify)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return str(error) or type(error).__name__
    return None if any_status or answer.is_success else f"status {answer.status_code}"


def may_use_proxy(url: str) -> bool:
    """Return whether *url* may be asked by way of the environment's proxy: not if it is on this machine."""
    return urlsplit(url).hostname not in LOOPBACK


def check_reachable(settings: Settings, prefect: bool = True) -> None:
    """Raise `Unreachable` if MLflow, or with *prefect* Prefect, does not answer."""
    for name, url, variable in servers_of(settings, prefect):
        if silence := why_silent(url, timeout=10):
            raise Unreachable(
                f"{name} does not answer at {url} ({silence}); start the servers with `regrow up`, or set {variable}"
            )


def check_signed_in(settings: Settings, prefect: bool = True) -> None:
    """Raise `Unreachable` if MLflow, or with *prefect* Prefect, knows us not: it asks for a password that we lack."""
    asked = []
    if prefect:
        sign_in = os.environ.get("PREFECT_API_AUTH_STRING", "")
        asked.append(
            ("Prefect", f"{settings.prefect_api_url}/admin/version", sign_in, "PREFECT_API_AUTH_STRING")
        )
    if settings.tracking_uri.startswith("http"):
        sign_in = ":".join(os.environ.get(f"MLFLOW_TRACKING_{part}", "") for part in ("USERNAME", "PASSWORD"))
        variables = "MLFLOW_TRACKING_USERNAME and …_PASSWORD"
        asked.append(("MLflow", f"{settings.tracking_uri}/version", sign_in, variables))
    for name, url, sign_in, variables in asked:
        headers = {"Authorization": f"Basic {base64.b64encode(sign_in.encode()).decode()}"}
        if why_silent(url, headers=headers, timeout=10) == "status 401":
            raise Unreachable(
                f"{name} at {url} does not know the password in {settings.password_file}; name the state folder that "
                f"`regrow up` runs on by REGROW_HOME, or set {variables}"
            )


def servers_of(settings: Settings, prefect: bool = True) -> list[tuple[str, str, str]]:
    """Return name, health page and environment variable of MLflow, if it is a server, and with *prefect* of Prefect."""
    servers = [("Prefect", f"{settings.prefect_api_url}/health", "PREFECT_API_URL")] if prefect else []
    if settings.tracking_uri.startswith("http"):
        servers.append(("MLflow", f"{settings.tracking_uri}/health", "MLFLOW_TRACKING_URI"))
    return servers
