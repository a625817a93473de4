"""When a model of the past is trained again, of how much, and by which gates it takes over."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

from regrow.base.errors import RegrowError
from regrow.base.verdict import Subject
from regrow.project import ChampionGate, Project
from regrow.project.evaluation import LatencyGate, SizeGate
from regrow.project.fields import parse_duration
from regrow.project.monitoring import Budget, DriftRule, Repeated, Retraining
from regrow.project.training import TrainingWindow

NEVER, DRIFT, HARM, FILE, NONE = "never", "drift", "harm", "file", "none"
WHENS = "never, drift, harm, file, or a period: 30d"
GATES = ("file", "none", "proven", "expected", "rows")
JUDGED = ":judged"
"""What stands behind a window whose model is not fitted again on the holdout."""
UNBOUND = 1_000_000


@dataclass(frozen=True)
class Policy:
    """One way to keep a model: a project as it might have been, and what starts a retraining of it."""

    when: str
    window: str
    gates: str
    project: Project
    watches: tuple[Subject, ...]
    """What raises an alarm: `performance`, `drift`."""
    scheduled: bool
    """Whether the policy is asked at each look beside alarms."""

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
    training = project.training.model_copy(update=dict(_training(project, window)))
    evaluation = project.evaluation.model_copy(update={"gates": tuple(_gates(project, gates))})
    data = project.data.model_copy(update={"unit": "row"}) if gates == "rows" else project.data
    watch, rule, watches, scheduled = project.monitoring, project.retraining, _watches(project, when), False
    if when == DRIFT:
        watch = watch.model_copy(update={"drift": _alarming(watch.drift)})
    if when in {DRIFT, HARM}:
        rule = rule.model_copy(update={"on_alarm": True})
    elif when == FILE:
        scheduled = rule.scheduled is not None or project.training.schedule is not None
    elif when != NEVER:
        rule, scheduled = by_calendar(_period(when)), True
    changed = {
        "training": training, "evaluation": evaluation, "monitoring": watch, "retraining": rule, "data": data,
    }  # fmt: skip
    shown = (window if window != FILE else "", gates if gates != FILE else "")
    return Policy(when, *shown, project.model_copy(update=changed), watches, scheduled)


def by_calendar(period: timedelta) -> Retraining:
    """Return the rule that trains whenever the last training is a *period* ago, whatever came of it."""
    return Retraining(
        on_alarm=False, cooldown=period, least_labels=1, budget=Budget(runs=UNBOUND), breaker=UNBOUND,
        alarms=Repeated(of=1, least=1),
    )  # fmt: skip


def _alarming(rule: DriftRule) -> DriftRule:
    return rule.model_copy(update={"alarm": True})


def _watches(project: Project, when: str) -> tuple[Subject, ...]:
    """Return what raises an alarm under *when*."""
    if when == HARM:
        return ("performance",)
    if when == DRIFT:
        return ("drift",)
    if when == FILE:
        return ("performance", "drift") if project.monitoring.drift.alarm else ("performance",)
    return ()


def _period(text: str) -> timedelta:
    """Return the period that *text* names."""
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise RegrowError(f"--policies {text}: no policy; write {WHENS}") from error
    if not isinstance(found, timedelta) or not found:
        raise RegrowError(f"--policies {text}: no policy; write {WHENS}")
    return found


def _training(project: Project, window: str) -> Iterator[tuple[str, object]]:
    """Yield what the word *window* changes of the training."""
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


def _gates(project: Project, word: str) -> Iterable[object]:
    """Return the gates that *word* means; what a model costs is a matter of the machine, and not replayed."""
    if word not in GATES:
        raise RegrowError(f"--gates {word}: no gates; write {', '.join(GATES)}")
    if word == NONE:
        return []
    gates = [gate for gate in project.evaluation.gates if not isinstance(gate, LatencyGate | SizeGate)]
    if word == FILE:
        return gates
    ask = "expected" if word == "expected" else "proven"
    return [
        gate.model_copy(update={"ask": ask, "margin": 0.0}) if isinstance(gate, ChampionGate) else gate
        for gate in gates
    ]
