"""Make a version that passed its gates the champion, and see that it serves."""

import time

import httpx
from prefect.artifacts import create_markdown_artifact

from regrow import registry
from regrow.decisions.verdict import Finding, Verdict
from regrow.errors import Unreachable
from regrow.lineage import current, step
from regrow.project import Project
from regrow.registry import Version
from regrow.settings import load_settings


def serves(url: str, name: str, number: int, timeout: float) -> None:
    """Wait until the model server at *url* serves version *number* of *name*.

    Raises `Unreachable` where it does not within *timeout* seconds.
    """
    until, seen = time.monotonic() + timeout, "nothing"
    while time.monotonic() < until:
        try:
            answer = httpx.get(f"{url}/version", headers=load_settings().server_headers, timeout=5)
            served = answer.json().get("models", {}).get(name)
            if served == number:
                return
            seen = f"no model {name}" if served is None else f"version {served}"
        except (httpx.HTTPError, ValueError) as error:
            seen = f"no answer ({error})"
        time.sleep(0.25)
    raise Unreachable(
        f"the model server at {url} had {seen}, not version {number} of {name}, within {timeout:g} s"
    )


def confirmation(project: Project, number: int) -> registry.Confirm | None:
    """Give the check that version *number* serves; None where no server is configured."""
    url = load_settings().server_url
    if not project.deployment.server or url is None:
        return None
    return lambda state: serves(url, project.name, number, project.deployment.timeout.total_seconds())


def carry_out(project: Project, version: Version, verdict: Verdict, actor: str) -> Verdict:
    """Promote *version* where *verdict* passed; else leave the champion as it is."""
    if not verdict.passed:
        return verdict
    confirm = confirmation(project, version.number)
    try:
        registry.promote(project.name, version.number, actor, verdict.reason, confirm)
    except Unreachable as error:
        if registry.champion(project.name) == version:
            raise
        failed = Finding(rule="the model server serves the new version", passed=False, detail=str(error))
        return Verdict(
            decision="deploy", passed=False, reason=f"put back: {error}", findings=(*verdict.findings, failed)
        )
    return verdict


@step(retries=2, retry_delay_seconds=[2, 10])
def deploy(project: Project, version: Version, verdict: Verdict, actor: str) -> Verdict:
    """Carry out *verdict* on *version* for *actor* and keep it on the version; done twice, it changes nothing."""
    run = current()
    outcome = carry_out(project, version, verdict, actor)
    status = "promoted" if outcome.passed else "refused" if outcome.decision == "promote" else "put back"
    decision = {"regrow.verdict": outcome.reason[:5000], "regrow.status": status}
    if not decision.items() <= version.tags.items():  # Decided again, it leaves who decided first.
        for name, value in {"regrow.decided_by": actor, **decision}.items():
            run.client.set_model_version_tag(project.name, str(version.number), name, value)
    run.verdict(outcome)
    run.log_model_input(version.model_id)
    create_markdown_artifact(
        f"## {project.name} version {version.number}: {status}\n\n{outcome.reason}",
        key=f"deploy-{project.name}",
    )
    return outcome
