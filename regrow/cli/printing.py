"""Outcomes as people and programs read them."""

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from regrow.cli.command_result import CommandResult
from regrow.cli.log import log_path

if TYPE_CHECKING:
    from regrow.base.verdict import Decision, Finding, Result, Verdict
    from regrow.registry import State

WIDTH = 120
"""Columns of the output if it is no terminal."""
DECIDED: "dict[tuple[Decision, Result], str]" = {
    ("promote", "pass"): "passed its gates",
    ("promote", "fail"): "refused by its gates",
    ("promote", "undecided"): "not promoted: not every gate could be judged",
    ("deploy", "pass"): "takes over",
    ("deploy", "fail"): "put back",
    ("monitor", "pass"): "no alarm",
    ("monitor", "fail"): "alarm",
    ("monitor", "undecided"): "no alarm, but not all could be judged",
    ("retrain", "pass"): "to be retrained",
    ("retrain", "fail"): "not retrained",
    ("roll back", "pass"): "rolled back",
}
"""What the usual decisions come to, in a few words; others are named with their result."""


def open_console() -> Console:
    """Return the terminal, or for a file or a pipe lines of `WIDTH` columns; `:key:` is text, and no picture."""
    return Console(emoji=False, width=None if sys.stdout.isatty() else WIDTH)


def show(told: CommandResult, as_json: bool) -> None:
    """Print *told*: for people a headline, the reason, the figures and the links; *as_json*: one object."""
    if as_json:
        sys.stdout.write(json.dumps(_to_json(told), indent=2) + "\n")
        return
    from regrow.models.results import Scored

    console = open_console()
    if isinstance(told.result, Scored):
        console.print(f"[bold]{told.model}: scored[/bold]", highlight=False)
        console.print(_pairs(told.result.model_dump(exclude_defaults=True)))
    else:
        _print_verdict(console, told, told.result)
    if told.state:
        console.print(f"now: {describe_state(told.state)}", highlight=False, markup=False)
    console.print(_pairs(told.links | {"log of the libraries": str(log_path())}), soft_wrap=True)


def _print_verdict(console: Console, told: CommandResult, verdict: "Verdict") -> None:
    """Print what was decided, why, and the figures behind it."""
    console.print(f"[bold]{told.model}: {headline(verdict)}[/bold]", highlight=False)
    console.print(verdict.reason, markup=False, highlight=False, soft_wrap=True)
    if verdict.findings:
        console.print(findings_table(verdict))


def headline(verdict: "Verdict") -> str:
    """Return what *verdict* came to in a few words."""
    known = DECIDED.get((verdict.decision, verdict.result))
    return known or f"{verdict.decision}: {verdict.outcome or verdict.result}"


def findings_table(verdict: "Verdict") -> Table:
    """Return the findings of *verdict* as a table: what failed first, then what is undecided."""
    from regrow.base.verdict import BY_URGENCY

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("result", "rule"):
        table.add_column(heading)
    for heading in ("figure", "limit", "interval", "rows", "units"):
        table.add_column(heading, justify="right")
    for finding in sorted(verdict.findings, key=lambda one: BY_URGENCY.index(one.result)):
        table.add_row(*map(Text, _cells(finding)))
    return table


def _cells(finding: "Finding") -> tuple[str, ...]:
    """Return the cells of *finding*; one without a figure says in words what was seen."""
    from regrow.base.verdict import write_number, write_result, write_units

    seen = f": {finding.detail}" if finding.figure is None and finding.detail else ""
    return (
        write_result(finding),
        f"{finding.rule}{seen}",
        write_number(finding.figure),
        write_number(finding.limit),
        " to ".join(write_number(bound) for bound in finding.interval or ()),
        "" if finding.rows is None else f"{finding.rows:,}",
        write_units(finding),
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
        table.add_row(Text(name), Text(f"{value:,}" if isinstance(value, int) else str(value)))
    return table


def _to_json(told: CommandResult) -> dict[str, Any]:
    """Return *told* as plain values: the keys of a verdict or a scoring are those that MLflow keeps."""
    key = "scored" if told.command == "score" else "verdict"
    return {
        "command": told.command,
        "model": told.model,
        key: told.result.model_dump(mode="json"),
        "state": told.state.model_dump(mode="json") if told.state else None,
        "links": told.links,
        "log": str(log_path()),
    }
