"""Write a project file for a table, with a comment for each choice."""

from collections.abc import Iterator
from typing import Any

import yaml

from regrow.inspection.columns import ColumnFacts
from regrow.inspection.suggestions import MOST_EXPECTATIONS, Suggestion
from regrow.inspection.table import TableFacts
from regrow.project import Source, format_duration


def write_project_file(name: str, source: Source, facts: TableFacts, suggestion: Suggestion) -> str:
    """Return the text of a project file called *name* that reads *source*."""
    target, keys = facts.target, facts.keys
    lines = [
        f"name: {_flow(name)}",
        f"description: {_flow(f'Predicts {target.name}, {_predicts(facts)}.')}",
        "",
        "data:",
        f"  source: {_flow(source.model_dump(exclude_defaults=True) | {'kind': source.kind})}",
        f"  target: {_flow(target.name)}",
    ]
    if keys.timestamp:
        lines += [
            "  # When the event was; a run does not see rows from after its `as_of`.",
            f"  timestamp: {_flow(keys.timestamp)}",
            "  # How long after the event the target is known; rows younger than that do not train.",
            f"  label_delay: {suggestion.label_delay.days}d",
        ]
    if keys.row:
        lines += ["  # Names a row; it is unique.", f"  id: {_flow(keys.row)}"]
    if keys.entity:
        lines += ["  # Whom a row is about; it recurs.", f"  entity: {_flow(keys.entity)}"]
    if suggestion.unit:
        lines += [
            "  # What is one observation: the held-out rows are of too few days to go by days.",
            f"  unit: {suggestion.unit}",
        ]
    lines += list(_features(facts))
    lines += list(_expectations(facts, suggestion))
    lines += [
        "  # A batch of which more is set aside is refused.",
        f"  quarantine_limit: {suggestion.quarantine_limit}",
        f"  # {_why_split(suggestion)}",
        f"  split: {_flow(suggestion.split.model_dump())}",
    ]
    return "\n".join([*lines, *_training(facts, suggestion), *_watching(facts, suggestion)]) + "\n"


def _features(facts: TableFacts) -> Iterator[str]:
    """Yield the columns that the model sees, each with what it holds, and those left out, each with the reason."""
    yield "  # What the model sees. A column that is not known when a prediction is asked for must go."
    yield "  features:"
    for column in facts.features:
        yield f"    - {_flow(column.name)}  # {_holds(column)}"
    for name, reason in facts.left_out.items():
        yield f"    # - {_flow(name)}  # left out: {_words(reason)}"


def _expectations(facts: TableFacts, suggestion: Suggestion) -> Iterator[str]:
    """Yield the expectations, each on a line or two."""
    yield "  # What every batch must be: ranges and values are those of this table, with room."
    more = len(facts.features) - MOST_EXPECTATIONS
    if more > 0:
        yield f"  # The first {MOST_EXPECTATIONS} columns have expectations of their own, {more} have none."
    yield "  expectations:"
    for expectation in suggestion.expectations:
        yield f"    - expect: {expectation.expect}"
        yield f"      arguments: {_flow(expectation.arguments)}"
        if expectation.on_failure == "quarantine":
            yield "      on_failure: quarantine"


def _training(facts: TableFacts, suggestion: Suggestion) -> Iterator[str]:
    """Yield what is fitted and how it is judged."""
    few = "few rows: a forest" if "Forest" in suggestion.estimator else "boosted trees"
    yield ""
    yield "training:"
    yield f"  # {few}; missing values and text are handled by column type."
    yield f"  estimator: {suggestion.estimator}"
    if suggestion.parameters:
        yield f"  parameters: {_flow(suggestion.parameters)}"
    yield "  seed: 7"
    yield ""
    yield "evaluation:"
    yield f"  # {_why_metric(facts, suggestion)}"
    yield f"  primary: {suggestion.primary}"
    yield f"  metrics: {_flow(list(suggestion.metrics))}"
    if suggestion.slices:
        yield "  # Each value of these has rows enough to be measured by itself."
        yield f"  slices: {_flow(list(suggestion.slices))}"
    yield "  # A version must beat a trivial model, and then the champion, on rows that neither has seen."
    yield "  gates:"
    yield "    - { kind: beats_baseline }"
    yield "    - { kind: beats_champion, confidence: 0.95 }"


def _watching(facts: TableFacts, suggestion: Suggestion) -> Iterator[str]:
    """Yield how the model is watched and when it is trained again."""
    weekly = suggestion.window.days <= 14
    yield ""
    yield "monitoring:"
    yield f"  # {'Mondays' if weekly else 'The first of each month'} at 06:00 UTC."
    yield f"  schedule: {_flow('0 6 * * 1' if weekly else '0 6 1 * *')}"
    yield "  # How far back it looks: long enough for rows to judge by."
    yield f"  window: {format_duration(suggestion.window)}"
    yield f"  # {suggestion.primary} may lose so much before it is an alarm."
    yield f"  performance: {_flow({'tolerance': suggestion.tolerance, 'least_rows': suggestion.least_rows})}"
    yield ""
    yield "retraining:"
    yield "  # An alarm trains again, if there are so many labels that the champion has not seen."
    yield "  on_alarm: true"
    yield f"  least_labels: {suggestion.least_labels}"
    yield "  cooldown: 7d"


def _predicts(facts: TableFacts) -> str:
    """Return what is predicted, in words."""
    words = {"binary": "one of two classes", "multiclass": f"one of {len(facts.target.classes)} classes"}
    return words.get(facts.target.predicts, "a number")


def _holds(column: ColumnFacts) -> str:
    """Return what *column* holds, in words."""
    many = f" ({column.distinct:,} different)" if column.holds == "categories" else ""
    missing = f", {column.missing:.1%} missing" if column.missing else ""
    return f"{column.holds}{many}{missing}"


def _why_split(suggestion: Suggestion) -> str:
    """Return why the rows are split so."""
    reasons = {
        "time": "The newest rows are held out, as the model will meet them.",
        "group": "Whole groups are held out: a model that has seen a group answers its other rows too well.",
        "stratified": "Rows are held out at random, with the classes in the same shares.",
        "random": "Rows are held out at random.",
    }
    return reasons[suggestion.split.kind]


def _why_metric(facts: TableFacts, suggestion: Suggestion) -> str:
    """Return why the primary metric is the one."""
    reasons: dict[str, str] = {
        "average_precision": "One class is rare: how well it is found among the others.",
        "roc_auc": "How well the two classes are told apart, whatever the threshold.",
        "balanced_accuracy": "One class is most of the rows: each class counts the same.",
        "accuracy": "The classes are of similar size: the share of right answers.",
        "mae": "A few values are very large: squared errors would be theirs alone.",
    }
    return reasons.get(suggestion.primary, "The usual error of a number, in its own unit.")


def _flow(value: Any) -> str:
    """Write *value* as YAML in one line; what a terminal does not show, as a line break of Unicode, is escaped."""
    if not isinstance(value, dict | list):
        return _flow([value])[1:-1]
    shown = _dump(value, allow_unicode=True)
    return shown if shown.isprintable() else _dump(value, allow_unicode=False)


def _dump(value: Any, allow_unicode: bool) -> str:
    dumped = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=allow_unicode, sort_keys=False, width=1_000_000
    )
    return dumped.strip()


def _words(text: str) -> str:
    """Return *text* in one line, as a comment must be."""
    return " ".join(text.split())
