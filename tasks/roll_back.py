"""Take the traffic away from a version by a person's order, and prove that another one answers."""

from datetime import datetime

from prefect.artifacts import create_markdown_artifact

from regrow import registry
from regrow.base.settings import load_settings
from regrow.base.verdict import Verdict, to_markdown
from regrow.lineage import announce_move, current, step
from regrow.project import Project
from regrow.registry.confirmation import prove_rollback


@step()
def roll_back(project: Project, reason: str, to: int | None, actor: str, as_of: datetime) -> Verdict:
    """End the open rollout of *project*, or move the champion to version *to*; default: the last that served well."""
    run = current()
    url = load_settings().server_url if project.deployment.server else None
    timeout = project.deployment.timeout.total_seconds()
    move = registry.roll_back(project.name, actor, reason, to, as_of)
    announce_move(project, move)
    verdict = prove_rollback(project.name, move, url, timeout)
    run.verdict(verdict)
    create_markdown_artifact(
        to_markdown(f"{project.name}: rolled back", verdict), key=f"rollback-{project.name}"
    )
    return verdict
