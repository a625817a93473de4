"""Let a version that passed its gates take over: at once, or by a rollout on live traffic."""

from datetime import datetime

from prefect.artifacts import create_markdown_artifact

from regrow import registry
from regrow.base.errors import Unreachable
from regrow.base.verdict import Finding, Verdict, to_markdown
from regrow.lineage import announce, announce_move, current, step
from regrow.notifications.event import figures_of
from regrow.project import Project, Replace, RolloutPlan
from regrow.registry import Move, Version
from regrow.registry.confirmation import confirmation

WAIVED = "## Gates waived"


def carry_out(project: Project, version: Version, verdict: Verdict, actor: str, as_of: datetime) -> Verdict:
    """Let *version* take over if *verdict* passed; else leave everything as it is."""
    if not verdict.passed:
        return verdict
    plan, found = project.deployment.rollout, registry.reconcile(project.name)
    seen = found.state
    if seen.champion not in {None, version.number, found.champion_at(as_of)}:
        return _overtaken(verdict, version, seen.champion, as_of)
    if isinstance(plan, Replace) or seen.champion in {None, version.number}:
        return promote(project, version, verdict, actor, as_of)
    return start(project, plan, version, verdict, actor, as_of)


def _overtaken(verdict: Verdict, version: Version, champion: int | None, as_of: datetime) -> Verdict:
    """Refuse *version*, which was compared with the champion of *as_of*: another *champion* serves since."""
    reason = (
        f"version {champion} serves since, and version {version.number} was compared with the champion as of "
        f"{as_of:%Y-%m-%d %H:%M} UTC; train as of now"
    )
    finding = Finding(rule="the champion is still that of as_of", result="fail", detail=reason)
    return verdict.refused(reason, finding, decision="deploy")


def promote(project: Project, version: Version, verdict: Verdict, actor: str, as_of: datetime) -> Verdict:
    """Make *version* the champion at once; what the server does not confirm is put back."""
    try:
        registry.promote(project.name, version.number, actor, verdict.reason, confirmation(project), as_of)
    except Unreachable as error:
        if registry.state(project.name).champion == version.number:
            raise
        return verdict.refused(f"put back: {error}", _unfollowed(error), decision="deploy")
    return verdict


def start(
    project: Project, plan: RolloutPlan, version: Version, verdict: Verdict, actor: str, as_of: datetime
) -> Verdict:
    """Start the rollout of *version*, once: a version that had its rollout does not get another."""
    had = [move for move in registry.ledger(project.name) if move.version == version.number]
    if any(move.kind == "start" for move in had):
        return _had_its_rollout(project, version, verdict, had[-1])
    registry.start_rollout(project.name, version.number, plan, actor, verdict.reason, as_of)
    confirm = confirmation(project)
    try:
        if confirm:
            confirm(registry.state(project.name))
    except Unreachable as error:
        return verdict.with_findings(_unfollowed(error))
    return verdict


def _had_its_rollout(project: Project, version: Version, verdict: Verdict, last: Move) -> Verdict:
    """Return *verdict* while the rollout of *version* is open, or a refusal that says how it ended."""
    if registry.state(project.name).challenger == version.number:
        return verdict
    reason = f"version {version.number} had its rollout ({last.kind}: {last.reason}); train another one"
    finding = Finding(rule="one rollout for a version", result="fail", detail=reason)
    return verdict.refused(reason, finding, decision="deploy")


def _unfollowed(error: Unreachable) -> Finding:
    """Return the finding that the server does not follow."""
    return Finding(rule="the model server follows", result="fail", detail=str(error))


def keep_override(version: Version, override: str, actor: str) -> None:
    """Write on *version* and its card that its gates were waived, why, and for whom."""
    client, number = registry.connect(), str(version.number)
    client.set_model_version_tag(version.name, number, "regrow.override", override)
    card = client.get_model_version(version.name, number).description or ""
    if WAIVED not in card:
        client.update_model_version(version.name, number, f"{card}\n\n{WAIVED}\n\n{override} ({actor})\n")


def tell(project: Project, version: Version, outcome: Verdict, actor: str) -> None:
    """Announce that *version* was refused, or what *actor* made of it; a rollout that begins is told by its end."""
    if not outcome.passed:
        figures = figures_of(outcome)
        announce(
            project, "version.refused", outcome.reason, about=f"version {version.number}", figures=figures
        )
        return
    for move in registry.ledger(project.name):
        if (move.actor, move.version) == (actor, version.number):
            announce_move(project, move)


@step(retries=2, retry_delay_seconds=[2, 10])
def deploy(
    project: Project, version: Version, verdict: Verdict, actor: str, as_of: datetime, override: str = ""
) -> Verdict:
    """Carry out *verdict* on *version* for *actor* and keep it on the version; done twice, it changes nothing."""
    run = current()
    if override:
        keep_override(version, override, actor)
    outcome = carry_out(project, version, verdict, actor, as_of)
    moved = registry.version(project.name, version.number).tags.get("regrow.status")
    status = moved or "refused"
    decision = {
        "regrow.verdict": outcome.result,
        "regrow.verdict.reason": outcome.reason[:5000],
        "regrow.status": status,
    }
    if not decision.items() <= version.tags.items():  # Decided again, it leaves who decided first.
        for name, value in {"regrow.decided_by": actor, **decision}.items():
            run.client.set_model_version_tag(project.name, str(version.number), name, value)
    run.verdict(outcome)
    run.log_model_input(version.model_id)
    tell(project, version, outcome, actor)
    create_markdown_artifact(
        to_markdown(f"{project.name} version {version.number}: {status}", outcome),
        key=f"deploy-{project.name}",
    )
    return outcome
