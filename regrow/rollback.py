"""Roll a model back, wait until every server follows, and prove it with a request."""

from datetime import datetime

from regrow import registry
from regrow.errors import RegistryError, Unreachable
from regrow.registry import Move
from regrow.registry.confirmation import PATIENCE, probe, wait_until_followed
from regrow.verdict import Finding, Verdict


def roll_back_model(
    name: str,
    actor: str,
    reason: str,
    to: int | None = None,
    url: str | None = None,
    timeout: float = PATIENCE,
    as_of: datetime | None = None,
) -> Verdict:
    """End the open rollout of *name*, or make version *to* its champion; prove it at the model server at *url*.

    Raises `RegistryError` where there is nothing to roll back to, and `Unreachable`, saying what state things are in,
    where a server does not follow within *timeout* seconds: the move stands all the same.
    """
    if not reason.strip():
        raise RegistryError(f"{name}: a rollback needs a reason; it stands in the ledger")
    move = registry.roll_back(name, actor, reason, to, as_of=as_of)
    return prove(name, move, url, timeout)


def prove(name: str, move: Move, url: str | None, timeout: float) -> Verdict:
    """Prove that the server at *url* answers as *move* says; without one, say that nobody was asked."""
    told = f"{name}: {tell(move)}"
    if url is None:
        unasked = Finding(
            rule="every worker follows", result="undecided", detail="no model server is configured"
        )
        return Verdict(
            decision="roll back", result="pass", reason=f"{told}; no server was asked", findings=(unasked,)
        )
    try:
        wait_until_followed(url, name, move.state, timeout)
        answered = (
            None if move.state.champion is None else probe(url, registry.version(name, move.state.champion))
        )
    except Unreachable as error:
        raise Unreachable(
            f"{told} in the registry (move {move.number}), but it is not proven that the server follows: {error}; "
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
    return Verdict(decision="roll back", result="pass", reason=f"{told}; {answered}", findings=findings)


def tell(move: Move) -> str:
    """Say what *move* did to the champion."""
    if move.before == move.state.champion:
        return f"the rollout of version {move.version} has ended, version {move.before} answers everything"
    return f"the champion is version {move.state.champion}, it was {move.before}"
