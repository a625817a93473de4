"""What a backtest recommends: the cheapest policy that loses no more than the file tolerates, as lines of YAML."""

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from regrow.backtest.figures import ORACLE, Reached, Scale, compare
from regrow.backtest.policies import DRIFT, FILE, HARM, JUDGED, NEVER, NONE, Policy
from regrow.project import ChampionGate, Project


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
    """Return the lines of the project file that make *policy* its own; empty if it is."""
    if policy is None or policy.is_the_files:
        return ""
    told: dict[str, object] = {}
    if policy.window:
        told["training"] = _training(project, policy)
    if policy.when != FILE:
        told |= _when(policy)
    if policy.gates:
        told["evaluation"] = {"gates": _gates(policy)}
    return yaml.safe_dump(told, sort_keys=False, default_flow_style=None)


def _training(project: Project, policy: Policy) -> dict[str, object]:
    """Return what the window changes."""
    text = policy.window.removesuffix(JUDGED)
    changed: dict[str, object] = {} if text == FILE else {"window": None if text == "all" else text}
    if changed and project.training.windows:
        changed["windows"] = []
    return changed | {"refit": project.training.refit and JUDGED not in policy.window}


def _when(policy: Policy) -> dict[str, object]:
    """Return what starts a retraining."""
    if policy.when == NEVER:
        return {"retraining": {"on_alarm": False}}
    if policy.when in {DRIFT, HARM}:
        drift = {"drift": {"alarm": policy.when == DRIFT}}
        return {"monitoring": drift, "retraining": {"on_alarm": True}}
    return {"retraining": {"on_alarm": False, "age": policy.when}}


def _gates(policy: Policy) -> object:
    """Return the gates as the file writes them."""
    if policy.gates == NONE:
        return []
    written = []
    for gate in policy.project.evaluation.gates:
        values = gate.model_dump(mode="json", exclude_defaults=True)
        asked = {"ask": gate.ask} if isinstance(gate, ChampionGate) else {}
        written.append({"kind": gate.kind, **values, **asked})
    return written
