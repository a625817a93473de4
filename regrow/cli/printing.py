"""Outcomes as people and programs read them."""

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from regrow.cli.log import log_path
from regrow.cli.outcome import Outcome

if TYPE_CHECKING:
    from regrow.registry import State
    from regrow.verdict import Finding, Verdict

WIDTH = 120
"""Columns of the output if it is no terminal."""
DECIDED = {
    "promote": ("passed its gates", "refused by its gates"),
    "deploy": ("takes over", "put back"),
    "monitor": ("no alarm", "alarm"),
    "retrain": ("to be retrained", "not retrained"),
    "validate": ("data accepted", "data refused"),
    "roll back": ("rolled back", "not rolled back"),
}
"""What a verdict on each decision comes to if it passes and if it fails; a rollout's says so itself."""


def show(outcome: Outcome, as_json: bool) -> None:
    """Print *outcome*: for people a headline, the reason, the figures and the links; *as_json*: one object."""
    if as_json:
        sys.stdout.write(json.dumps(_to_json(outcome), indent=2) + "\n")
        return
    from regrow.results import Scored

    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    if isinstance(outcome.result, Scored):
        console.print(f"[bold]{outcome.model}: scored[/bold]", highlight=False)
        console.print(_pairs(outcome.result.model_dump()))
    else:
        _print_verdict(console, outcome, outcome.result)
    if outcome.state:
        console.print(f"now: {describe_state(outcome.state)}", highlight=False, markup=False)
    console.print(_pairs(outcome.links | {"log of the libraries": str(log_path())}), soft_wrap=True)


def _print_verdict(console: Console, outcome: Outcome, verdict: "Verdict") -> None:
    """Print what was decided, why, and the figures behind it."""
    console.print(f"[bold]{outcome.model}: {headline(verdict)}[/bold]", highlight=False)
    console.print(verdict.reason, markup=False, highlight=False, soft_wrap=True)
    if verdict.findings:
        console.print(findings_table(verdict))


def headline(verdict: "Verdict") -> str:
    """Return what *verdict* came to in a few words."""
    if verdict.decision == "rollout":
        return f"rollout: {verdict.outcome or ('pass' if verdict.passed else 'fail')}"
    return DECIDED[verdict.decision][0 if verdict.passed else 1]


def findings_table(verdict: "Verdict") -> Table:
    """Return the findings of *verdict* as a table, those that failed first."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("result", "rule", "figure", "limit", "interval", "rows"):
        table.add_column(heading, justify="left" if heading in {"result", "rule"} else "right")
    for finding in sorted(verdict.findings, key=lambda one: one.passed):
        table.add_row(*_cells(finding))
    return table


def _cells(finding: "Finding") -> tuple[str, ...]:
    """Return the cells of *finding*; one without a figure says in words what was seen."""
    low_high = finding.interval
    return (
        "pass" if finding.passed else "fail",
        finding.rule if finding.figure is not None else f"{finding.rule}: {finding.detail}",
        "" if finding.figure is None else f"{finding.figure:.4g}",
        "" if finding.limit is None else f"{finding.limit:g}",
        f"{low_high[0]:.4g} to {low_high[1]:.4g}" if low_high else "",
        "" if finding.rows is None else f"{finding.rows:,}",
    )


def describe_state(state: "State") -> str:
    """Return in words who answers."""
    champion = "no champion" if state.champion is None else f"version {state.champion} is the champion"
    if state.rollout is None:
        return champion
    paused = ", paused" if state.rollout.paused else ""
    weight = state.rollout.current.weight
    share = f"answers {weight:.0%}" if weight else "is scored unseen (shadow)"
    return f"{champion}; version {state.challenger} challenges it and {share}{paused}"


def _pairs(values: dict[str, Any]) -> Table:
    """Return *values* as lines of a name and a value."""
    table = Table.grid(padding=(0, 2))
    for name, value in values.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    return table


def _to_json(outcome: Outcome) -> dict[str, Any]:
    """Return *outcome* as plain values: the keys of a verdict or a scoring are those that MLflow keeps."""
    key = "scored" if outcome.command == "score" else "verdict"
    return {
        "command": outcome.command,
        "model": outcome.model,
        key: outcome.result.model_dump(mode="json"),
        "state": outcome.state.model_dump(mode="json") if outcome.state else None,
        "links": outcome.links,
        "log": str(log_path()),
    }
