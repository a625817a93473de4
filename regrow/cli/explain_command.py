"""The command explain: why a prediction is what it is."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from regrow.cli.arguments import Json, reach_servers
from regrow.cli.log import quiet
from regrow.cli.printing import open_console

if TYPE_CHECKING:
    from regrow.lineage.explaining import ExplainedPrediction

SHOWN = 20
"""Columns that the table shows; the others stand in one line."""


def explain(
    prediction_id: Annotated[
        str, typer.Argument(help="The id that came with the prediction", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Show what each column added to a prediction, by the version that made it."""
    reach_servers(prefect=False)
    with quiet(f"explaining {prediction_id}"):
        from regrow.lineage.explaining import explain_prediction

        found = explain_prediction(prediction_id)
    if json:
        sys.stdout.write(as_json(found) + "\n")
        return
    console = open_console()
    console.print(headline(found), markup=False, highlight=False, soft_wrap=True)
    console.print(reasons_table(found))
    for line in remarks(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def as_json(found: "ExplainedPrediction") -> str:
    """Write *found* as one JSON object."""
    return json.dumps(asdict(found) | {"event_time": found.event_time.isoformat()}, indent=2)


def headline(found: "ExplainedPrediction") -> str:
    """Return what was predicted, by which version, of what moment."""
    what = "" if found.reasons.explained is None else f", the probability of {found.reasons.explained}"
    return (
        f"{found.prediction_id} = {found.logged:.6g}{what}: {found.model} version {found.version}, event of "
        f"{found.event_time:%Y-%m-%d %H:%M}"
    )


def reasons_table(found: "ExplainedPrediction") -> Table:
    """Return base, contributions, the largest first, and sum; the columns beyond `SHOWN` stand in one line."""
    reasons = found.reasons
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("column")
    table.add_column("value", justify="right")
    table.add_column(f"adds to the {reasons.scale}", justify="right")
    table.add_row("base", "", f"{reasons.base:+.4g}")
    contributions = list(reasons.contributions.items())
    for column, added in contributions[:SHOWN]:
        table.add_row(Text(column), Text(_shown(found.values[column])), f"{added:+.4g}")
    if rest := contributions[SHOWN:]:
        table.add_row(f"{len(rest)} others", "", f"{sum(added for _, added in rest):+.4g}")
    table.add_row("sum", "", f"{reasons.total:+.4g}")
    return table


def remarks(found: "ExplainedPrediction") -> list[str]:
    """Return the lines under the table: how the sum is the prediction, the way, and what else is to be known."""
    reasons = found.reasons
    becomes = {
        "prediction": "the sum is the prediction",
        "log": f"e^sum = {reasons.prediction:.6g}",
        "log-odds": f"the sum as a probability: {reasons.prediction:.6g}",
    }
    lines = [f"{becomes[reasons.scale]}; way: {reasons.method}{reasons.remark and f' ({reasons.remark})'}"]
    return lines + ([found.remark] if found.remark else [])


def _shown(value: Any) -> str:
    """Return *value* for a cell."""
    if value is None:
        return "missing"
    return f"{value:g}" if isinstance(value, float) else str(value)[:40]
