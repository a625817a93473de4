"""Ask the model server whether it follows the registry, and prove it with a request."""

import json
import time
from typing import Any

import httpx
import mlflow.models

from regrow.errors import Unreachable
from regrow.project import Project
from regrow.reach import why_silent
from regrow.registry import Confirm, State, Version
from regrow.settings import Settings, load_settings

PATIENCE = 30.0


def confirmation(project: Project) -> Confirm | None:
    """Give the check that every worker of the configured server follows a state; None where none is configured."""
    url = load_settings().server_url
    if not project.deployment.server or url is None:
        return None
    timeout = project.deployment.timeout.total_seconds()
    return lambda state: wait_until_followed(url, project.name, state, timeout)


def answering_server(settings: Settings) -> str | None:
    """Return the address of this machine's own model server, or None if nothing answers there."""
    health = f"{settings.local_server}/health"
    return (
        None
        if why_silent(health, headers=settings.server_headers, any_status=True)
        else settings.local_server
    )


def wait_until_followed(url: str, name: str, state: State, timeout: float = PATIENCE) -> None:
    """Wait until every worker of the model server at *url* follows *state* of *name*.

    Raises `Unreachable` where one does not within *timeout* seconds.
    """
    until, behind = time.monotonic() + timeout, "no answer"
    while time.monotonic() < until:
        try:
            answer = httpx.get(f"{url}/version", headers=load_settings().server_headers, timeout=5)
            answer.raise_for_status()
            found = _behind(answer.json(), name, state)
            if found is None:
                return
            behind = found
        except (httpx.HTTPError, ValueError) as error:
            behind = f"no answer ({error})"
        time.sleep(0.25)
    wanted = "no champion" if state.champion is None else f"version {state.champion}"
    raise Unreachable(
        f"the model server at {url} had {behind}, not {wanted} of {name} after move {state.move}, "
        f"within {timeout:g} s"
    )


def probe(url: str, version: Version) -> str:
    """Let the server at *url* answer a row of *version*'s own holdout by its champion; say what it answered.

    Raises `Unreachable` where it does not answer, or another version does. The row is not logged.
    """
    signature = mlflow.models.get_model_info(f"models:/{version.model_id}").signature
    columns = signature.inputs.input_names()
    row = json.loads(version.facts.holdout.read(columns).head(1).to_json(orient="records", date_format="iso"))
    headers = {**load_settings().server_headers, "X-Regrow-Probe": "1"}
    try:
        answer = httpx.post(
            f"{url}/models/{version.name}/invocations",
            json={"dataframe_records": row},
            headers=headers,
            timeout=30,
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Unreachable(f"the model server at {url} did not answer a probe ({error})") from error
    answered = answer.headers.get("X-Regrow-Version")
    if answered != str(version.number):
        raise Unreachable(
            f"the model server at {url} answered a probe with version {answered}, not {version.number}"
        )
    return f"version {answered} answered {json.dumps(answer.json()['predictions'])[:200]}"


def _behind(answer: dict[str, Any], name: str, state: State) -> str | None:
    """Say which worker does not follow *state* yet, and where it is; None where all do."""
    for worker in answer["workers"]:
        shown = worker["models"].get(name)
        if shown is None:
            if state.champion is not None:
                return f"no model {name} in worker {worker['pid']}"
            continue
        if shown["champion"] != state.champion or (shown["move"] or 0) < state.move:
            return f"version {shown['champion']} after move {shown['move']} in worker {worker['pid']}"
    return None
