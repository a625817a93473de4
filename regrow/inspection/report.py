"""What `regrow init` found in a table, in about ten lines."""

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from regrow.data.times import parse_times
from regrow.inspection.suggestions import Suggestion
from regrow.inspection.table import TableFacts, TargetFacts


def report_lines(frame: pd.DataFrame, facts: TableFacts, suggestion: Suggestion) -> Iterator[tuple[str, str]]:
    """Yield what was found in *frame*, each with a word for what it is about; what was unsure comes last."""
    looked = f"; {facts.looked_at}" if facts.looked_at else ""
    yield "table", f"{facts.whole:,} rows, {len(facts.columns):,} columns{looked}"
    yield "target", _describe_target(facts.target)
    keys = facts.keys
    if keys.timestamp:
        times = parse_times(frame[keys.timestamp], "")
        yield "time", f"`{keys.timestamp}`, {times.min():%Y-%m-%d} to {times.max():%Y-%m-%d}"
    else:
        yield "time", "no column has a date in every row"
    yield "row", f"`{keys.row}` names it, unique" if keys.row else "no column names it"
    if keys.entity:
        yield "entity", f"`{keys.entity}`, which recurs"
    held = Counter(column.holds for column in facts.features)
    gaps = max(facts.features, key=lambda column: column.missing)
    most = f"; most gaps: `{gaps.name}`, {gaps.missing:.1%}" if gaps.missing else "; no gaps"
    told = ", ".join(f"{holds} ({count:,})" for holds, count in held.most_common())
    yield "features", f"{len(facts.features):,}: {told}{most}"
    if facts.left_out:
        first = "; ".join(
            f"`{name}`: {' '.join(why.split())}" for name, why in list(facts.left_out.items())[:4]
        )
        rest = f"; and {len(facts.left_out) - 4:,} more" if len(facts.left_out) > 4 else ""
        yield "left out", f"{len(facts.left_out):,}: {first}{rest}"
    model, split = suggestion.estimator.rpartition(".")[2], suggestion.split
    told = f"{model}, judged by {suggestion.primary}"
    share = f"{split.holdout:.0%}" if isinstance(split.holdout, float) else "the newest"
    yield "model", f"{told} on {share} of the rows, split: {split.kind}"
    yield "expects", f"{len(suggestion.expectations)} expectations of every batch"
    for line in [*facts.unsure, *suggestion.unsure]:
        yield "unsure", line


def _describe_target(target: TargetFacts) -> str:
    """Return what the target is, in words."""
    lacking = f"; {target.missing:,} rows lack it and are set aside" if target.missing else ""
    if target.predicts == "regression":
        tails = ", with heavy tails" if target.heavy_tails else ""
        return f"`{target.name}`, a number{tails}{lacking}"
    total = sum(rows for _, rows in target.classes)
    shown = ", ".join(f"{label} {rows / total:.1%}" for label, rows in target.classes[:4])
    more = f" and {len(target.classes) - 4} more" if len(target.classes) > 4 else ""
    rare = f"; {', '.join(map(str, target.rare))}: too rare, set aside" if target.rare else ""
    return f"`{target.name}`, {len(target.classes)} classes: {shown}{more}{rare}{lacking}"
