"""The words in which a rollout's findings are told."""

from datetime import timedelta

from regrow.project import format_duration
from regrow.verdict import Finding


def proven(low: float, limit: float, form: str) -> str:
    """Say what the bound proves."""
    return f"at least {low:{form}}, limit {limit:{form}}" if low > limit else f"limit {limit:{form}}"


def unconcluded(rule: str, rows: int, why: str) -> Finding:
    """Let a rule pass on which too little is known, and say so."""
    return Finding(rule=rule, passed=True, rows=rows, detail=f"nothing concluded: {why}")


def told(time: timedelta) -> str:
    """Write *time* as a person would: whole minutes, or whole seconds below one."""
    seconds = int(time.total_seconds())
    whole = timedelta(seconds=seconds - seconds % 60 if seconds >= 60 else seconds)
    return format_duration(whole) if whole else "0s"
