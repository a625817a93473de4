"""Publish what was removed, or would be, as one table."""

from prefect import task
from prefect.artifacts import create_markdown_artifact

from regrow.models.results import Removed

HEADINGS = ("what", "model", "number", "bytes")


def rows_of(removed: tuple[Removed, ...]) -> list[tuple[str, str, str, str]]:
    """Return a row for each kind and model of which something was removed, and the sum."""
    told = [one for one in removed if one.count or one.bytes]
    rows = [(one.kind, one.of or "all", f"{one.count:,}", f"{one.bytes:,}") for one in told]
    total = sum(one.count for one in told), sum(one.bytes for one in told)
    return [*rows, ("sum", "", f"{total[0]:,}", f"{total[1]:,}")]


def render_tidying(removed: tuple[Removed, ...], dry_run: bool) -> str:
    """Write *removed* as Markdown."""
    title = "Would be removed" if dry_run else "Removed"
    lines = ["|".join(["", *row, ""]) for row in (HEADINGS, ("---",) * len(HEADINGS), *rows_of(removed))]
    return "\n".join([f"## {title}", "", *lines])


@task
def report_tidying(removed: tuple[Removed, ...], dry_run: bool) -> tuple[Removed, ...]:
    """Publish *removed* as the Prefect artifact `tidy`, and return it."""
    create_markdown_artifact(render_tidying(removed, dry_run), key="tidy")
    return removed
