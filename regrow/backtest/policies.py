"""When a model of the past is trained again, of how much, and by which gates it takes over."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

from regrow.base.errors import RegrowError
from regrow.base.verdict import Subject
from regrow.project import ChampionGate, Gate, Project
from regrow.project.evaluation import LatencyGate, SizeGate
from regrow.project.fields import parse_duration
from regrow.project.monitoring import Monitoring, Retraining
from regrow.project.training import TrainingWindow

NEVER, DRIFT, HARM, FILE, NONE, ROWS = "never", "drift", "harm", "file", "none", "rows"
PROVEN, NON_INFERIOR, EXPECTED = "proven", "non_inferior", "expected"
WHENS = "never, drift, harm, file, or a period: 30d"
GATES = "file, none, proven, expected, rows, non_inferior, or non_inferior:0.01 with the largest loss"
JUDGED = ":judged"
"""What stands behind a window whose model is not fitted again on the holdout."""
UNBOUND = 1_000_000


@dataclass(frozen=True)
class Policy:
    """One way to keep a model: its project file as it might have been."""

    when: str
    window: str
    gates: str
    project: Project

    @property
    def watches(self) -> tuple[Subject, ...]:
        """What raises an alarm."""
        return ("performance", "drift") if self.project.monitoring.drift.alarm else ("performance",)

    @property
    def scheduled(self) -> bool:
        """Whether the policy is asked at each look beside alarms."""
        return self.project.retraining.scheduled is not None or self.project.training.schedule is not None

    @property
    def name(self) -> str:
        """What it is called in tables."""
        rest = [
            part
            for part in (self.window and f"window {self.window}", self.gates and f"gates {self.gates}")
            if part
        ]
        return ", ".join([self.when, *rest])

    @property
    def is_the_files(self) -> bool:
        """Whether it is what the project file says."""
        return (self.when, self.window, self.gates) == (FILE, "", "")


def make_policies(
    project: Project, whens: Sequence[str], windows: Sequence[str], gates: Sequence[str]
) -> tuple[Policy, ...]:
    """Return each of *whens* with each of *windows* and *gates*; the file's own is always among them.

    Raises `RegrowError` naming the option and the word that is none.
    """
    asked = [(FILE, FILE, FILE), *product(whens, windows, gates)]
    return tuple(_make(project, *each) for each in dict.fromkeys(asked))


def _make(project: Project, when: str, window: str, gates: str) -> Policy:
    """Return one policy."""
    training = dict(_training(when, window))
    data = project.data.model_copy(update={"unit": "row"}) if gates == ROWS else project.data
    changed = {
        "training": project.training.model_copy(update=training),
        "evaluation": project.evaluation.model_copy(update={"gates": tuple(_gates(project, gates))}),
        "monitoring": _monitoring(project.monitoring, when),
        "retraining": _retraining(project.retraining, when),
        "data": data,
    }
    shown = (window if window != FILE else "", gates if gates != FILE else "")
    return Policy(when, *shown, project.model_copy(update=changed))


def _monitoring(watch: Monitoring, when: str) -> Monitoring:
    """Return what is watched if *when* says what alarms: lost performance, and drift if it is named."""
    if when not in {DRIFT, HARM}:
        return watch
    return watch.model_copy(update={"drift": watch.drift.model_copy(update={"alarm": when == DRIFT})})


def _retraining(rule: Retraining, when: str) -> Retraining:
    """Return the rule by which *when* trains.

    A period trains whenever the last training is so long ago, whatever came of it.
    """
    if when == FILE:
        return rule
    changed: dict[str, object] = {"on_alarm": when in {DRIFT, HARM}, "schedule": None, "age": None}
    if when not in {NEVER, DRIFT, HARM}:
        period = _period(when)
        changed |= {
            "age": period, "cooldown": period, "least_labels": 1, "least_units": None,
            "budget": rule.budget.model_copy(update={"runs": UNBOUND}), "breaker": UNBOUND,
        }  # fmt: skip
    return rule.model_copy(update=changed)


def without_costs(project: Project) -> Project:
    """Return *project* without the gates of what a model costs: that is of the machine, and no backtest measures it."""
    gates = tuple(gate for gate in project.evaluation.gates if not isinstance(gate, LatencyGate | SizeGate))
    return project.model_copy(update={"evaluation": project.evaluation.model_copy(update={"gates": gates})})


def _period(text: str) -> timedelta:
    """Return the period that *text* names."""
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise RegrowError(f"--policies {text}: no policy; write {WHENS}") from error
    if not isinstance(found, timedelta) or not found:
        raise RegrowError(f"--policies {text}: no policy; write {WHENS}")
    return found


def _training(when: str, window: str) -> Iterator[tuple[str, object]]:
    """Yield what the words *when* and *window* change of the training."""
    if when != FILE:
        yield "schedule", None
    if window == FILE:
        return
    text = window.removesuffix(JUDGED)
    if text != window:
        yield "refit", False
    if text == FILE:
        return
    try:
        found = None if text == "all" else parse_duration(text)
        TrainingWindow(window=found if isinstance(found, timedelta) else "all")
    except ValueError as error:
        raise RegrowError(
            f"--windows {window}: no window; write file, all or 90d, with `{JUDGED}` behind it for models that are "
            "not fitted again on their holdout"
        ) from error
    yield "windows", ()
    yield "window", found


def _gates(project: Project, word: str) -> Iterable[Gate]:
    """Return the gates that *word* means."""
    name, _, margin = word.partition(":")
    if name not in {FILE, NONE, ROWS, PROVEN, NON_INFERIOR, EXPECTED} or (margin and name != NON_INFERIOR):
        raise RegrowError(f"--gates {word}: no gates; write {GATES}")
    if name == NONE:
        return ()
    gates = project.evaluation.gates
    if name == FILE:
        return gates
    # A file may ask for no gain over the champion; the word does.
    if not any(isinstance(gate, ChampionGate) for gate in gates):
        gates = (*gates, ChampionGate(kind="beats_champion"))
    asked = PROVEN if name == ROWS else name
    return [
        gate.model_copy(
            update={"ask": asked, "margin": _loss(project, gate, word) if name == NON_INFERIOR else 0.0}
        )
        if isinstance(gate, ChampionGate)
        else gate
        for gate in gates
    ]


def _loss(project: Project, gate: ChampionGate, word: str) -> float:
    """Return the largest loss that *word* accepts.

    It is the word's own, else the margin of a *gate* that asks the same, else what the performance alarm tolerates.
    """
    told = word.partition(":")[2]
    own = gate.margin if gate.ask == NON_INFERIOR else project.monitoring.performance.tolerance
    try:
        loss = float(told) if told else own
    except ValueError:
        loss = math.nan
    if not 0 < loss < math.inf:
        why = "no loss" if told else "monitoring.performance.tolerance is 0"
        raise RegrowError(
            f"--gates {word}: {why}, but non_inferior needs the largest loss that would be accepted; write it behind "
            "the word: non_inferior:0.01"
        )
    return loss
