"""Ask the model server whether it follows the registry, and prove it with a request."""

import json
import time
from typing import Any

import httpx
import mlflow.models

from regrow.base.errors import Unreachable
from regrow.base.reach import may_use_proxy, why_silent
from regrow.base.settings import Settings, load_settings
from regrow.base.verdict import Finding, Verdict
from regrow.project import Project
from regrow.registry.promotion import Confirm
from regrow.registry.state import Move, State
from regrow.registry.versions import Version, version

POLL = 0.1
FOLLOW_TIMEOUT = 30.0
"""Seconds within which every worker should follow a move, unless the project file says otherwise."""


def confirmation(project: Project) -> Confirm | None:
    """Return the check that every worker of the configured server follows a state; None if none is configured."""
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


def wait_until_followed(url: str, name: str, state: State, timeout: float = FOLLOW_TIMEOUT) -> None:
    """Wait until every worker of the model server at *url* follows *state* of *name*.

    Raises `Unreachable` if one does not within *timeout* seconds.
    """
    until, behind = time.monotonic() + timeout, "no answer"
    headers = load_settings().server_headers
    with httpx.Client(headers=headers, timeout=5, trust_env=may_use_proxy(url)) as client:
        while time.monotonic() < until:
            try:
                found = _behind(client.get(f"{url}/version").raise_for_status().json(), name, state)
                if found is None:
                    return
                behind = found
            except (httpx.HTTPError, ValueError) as error:
                behind = f"no answer ({error})"
            time.sleep(POLL)
    wanted = "no champion" if state.champion is None else f"version {state.champion}"
    raise Unreachable(
        f"the model server at {url} had {behind}, not {wanted} of {name} after move {state.move}, "
        f"within {timeout:g} s"
    )


def probe(url: str, champion: Version) -> str:
    """Send the server at *url* a row of *champion*'s own holdout; return in words what its champion answered.

    Raises `Unreachable` if it does not answer, or another version does. The row is not logged.
    """
    signature = mlflow.models.get_model_info(f"models:/{champion.model_id}").signature
    columns = signature.inputs.input_names()
    row = json.loads(
        champion.facts.holdout.read(columns).head(1).to_json(orient="records", date_format="iso")
    )
    headers = {**load_settings().server_headers, "X-Regrow-Probe": "1"}
    try:
        answer = httpx.post(
            f"{url}/models/{champion.name}/invocations",
            json={"dataframe_records": row},
            headers=headers,
            timeout=30,
            trust_env=may_use_proxy(url),
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Unreachable(f"the model server at {url} did not answer a probe ({error})") from error
    answered = answer.headers.get("X-Regrow-Version")
    if answered != str(champion.number):
        raise Unreachable(
            f"the model server at {url} answered a probe with version {answered}, not {champion.number}"
        )
    return f"version {answered} answered {json.dumps(answer.json()['predictions'])[:200]}"


def prove_rollback(name: str, move: Move, url: str | None, timeout: float = FOLLOW_TIMEOUT) -> Verdict:
    """Prove that the server at *url* answers as *move*, a rollback, says; without one, say that nobody was asked.

    Raises `Unreachable` if a server does not follow within *timeout* seconds: the move stands all the same.
    """
    done = f"{name}: {describe(move)}"
    if url is None:
        unasked = Finding(
            rule="every worker follows", result="undecided", detail="no model server is configured"
        )
        return Verdict(
            decision="roll back", result="pass", reason=f"{done}; no server was asked", findings=(unasked,)
        )
    champion = move.state.champion
    try:
        wait_until_followed(url, name, move.state, timeout)
        answered = None if champion is None else probe(url, version(name, champion))
    except Unreachable as error:
        raise Unreachable(
            f"{done} in the registry (move {move.number}), but it is not proven that the server follows: {error}; "
            "a server that can reach MLflow follows within seconds of its start: see its /health"
        ) from error
    findings = (
        Finding(rule="every worker follows", result="pass", detail=f"move {move.number} at {url}"),
        Finding(
            rule="a probe is answered",
            result="pass" if answered else "undecided",
            detail=answered or "no champion",
        ),
    )
    return Verdict(decision="roll back", result="pass", reason=f"{done}; {answered}", findings=findings)


def describe(move: Move) -> str:
    """Return in words what *move*, a rollback, did to the champion."""
    if move.before == move.state.champion:
        return f"the rollout of version {move.version} has ended, version {move.before} answers everything"
    return f"the champion is version {move.state.champion}, it was {move.before}"


def _behind(answer: dict[str, Any], name: str, state: State) -> str | None:
    """Return which worker does not follow *state* yet, and what it shows; None if all follow."""
    for worker in answer["workers"]:
        shown = worker["models"].get(name)
        if shown is None:
            if state.champion is not None:
                return f"no model {name} in worker {worker['pid']}"
            continue
        if shown["champion"] != state.champion or (shown["move"] or 0) < state.move:
            return f"version {shown['champion']} after move {shown['move']} in worker {worker['pid']}"
    return None
