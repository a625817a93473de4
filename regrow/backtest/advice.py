"""What a backtest recommends: the cheapest policy that loses no more than the file tolerates, as lines of YAML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from regrow.backtest.figures import ORACLE, Reached, Scale, compare
from regrow.backtest.policies import Policy
from regrow.project import Project


@dataclass(frozen=True)
class Advice:
    """The policy to take, why, and the lines that the project file then has."""

    name: str
    reason: str
    lines: str
    """Empty: the file stays as it is."""


def recommend(project: Project, reached: Sequence[Reached], scale: Scale) -> Advice:
    """Return the policy of *reached* with the fewest trainings that is proven to lose no more than is tolerated.

    Against the best one, at 95 %; tolerated is `monitoring.performance.tolerance`. If nothing is proven, it is the best
    itself. Of equal ones the file's own.
    """
    asked = [each for each in reached if each.name != ORACLE]
    tolerance = project.monitoring.performance.tolerance
    best = max(asked, key=lambda each: compare(each, asked[0], scale).gain)
    fit = [each for each in asked if each is best or _is_near(each, best, tolerance, scale)]
    cheapest = min(each.trainings for each in fit)
    able = [each for each in fit if each.trainings <= cheapest]
    own = [each for each in able if each.policy is not None and each.policy.is_the_files]
    taken = own[0] if own else max(able, key=lambda each: compare(each, best, scale).gain)
    return Advice(taken.name, _why(taken, best, tolerance, scale), lines_of(project, taken.policy))


def _is_near(one: Reached, best: Reached, tolerance: float, scale: Scale) -> bool:
    """Return whether *one* is proven to lose no more than *tolerance* against *best*."""
    lower = compare(one, best, scale).lower
    return lower is not None and lower > -tolerance


def _why(taken: Reached, best: Reached, tolerance: float, scale: Scale) -> str:
    """Return in words why *taken* is recommended."""
    counts = f"{taken.trainings:.1f} trainings"
    if taken is best:
        return (
            f"`{taken.name}` has the best {scale.metric} ({taken.figure:.4f}, {counts}), and no policy with fewer "
            f"trainings is proven to lose no more than {tolerance:g} (monitoring.performance.tolerance)"
        )
    found = compare(taken, best, scale)
    return (
        f"`{taken.name}` ({scale.metric} {taken.figure:.4f}, {counts}) has the fewest trainings of those that are "
        f"proven to lose no more than {tolerance:g} (monitoring.performance.tolerance) against the best, "
        f"`{best.name}` ({best.figure:.4f}, {best.trainings:.1f} trainings): {found.words}"
    )


def lines_of(project: Project, policy: Policy | None) -> str:
    """Return the lines of the project file that make *policy* its own; empty if it is.

    They go over the file's own, key by key; a list is written whole.
    """
    if policy is None:
        return ""
    told: dict[str, object] = {}
    for section in ("data", "training", "monitoring", "retraining"):
        old, new = (getattr(each, section).model_dump(mode="json") for each in (project, policy.project))
        if changed := _changed(old, new):
            told[section] = changed
    gates = policy.project.evaluation.gates
    if gates != project.evaluation.gates:
        told["evaluation"] = {
            "gates": [gate.model_dump(mode="json", exclude_defaults=True) for gate in gates]
        }
    return yaml.safe_dump(told, sort_keys=False, default_flow_style=None) if told else ""


def _changed(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    """Return the keys of *new* that are not as in *old*, of a mapping the keys within."""
    told: dict[str, object] = {}
    for key, value in new.items():
        before = old[key]
        if isinstance(before, dict) and isinstance(value, dict):
            told |= {key: within} if (within := _changed(before, value)) else {}
        elif value != before:
            told[key] = value
    return told
