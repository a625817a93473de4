"""The rollouts of the replayed year: traffic in slices with a look after each, and a challenger that must lose."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import yaml

from regrow import registry
from regrow.demo import orchestrator, traffic
from regrow.demo.story import Ending
from regrow.models.stored import LoadedModel
from regrow.project import Ab, Project
from regrow.registry import Move, Rollout

SLICE = timedelta(days=3)
"""How much of the month is sent between two looks at an open rollout, once it may advance."""
SHUFFLED_MONTH, SHUFFLED_DAY = 7, 15
WAIVER = "demonstration: trained on shuffled labels, to be rolled back by live traffic alone"


@dataclass(frozen=True)
class Scene:
    """What the replay needs everywhere: the server, the model, its first version, the state folder."""

    url: str
    project: Project
    first: LoadedModel
    home: Path


def live(scene: Scene, year: pd.DataFrame, start: datetime, end: datetime) -> Iterator[str]:
    """Send the rows of [*start*, *end*), a slice at a time while a rollout is open; yield what is being done.

    In July a challenger with shuffled labels comes on top, as soon as no rollout is open.
    """
    at = start
    while at < end:
        if is_due(scene.project, at):
            yield f"{at:%B}: training a challenger on shuffled labels, its gates waived …"
            train_shuffled(scene, at)
        rollout = registry.state(scene.project.name).rollout
        until = next_stop(at, next_look(scene.project, rollout, at) if rollout else None, end)
        yield f"{at:%B}: sending the flights until {until:%d %B} to the model server …"
        traffic.send_once(scene.url, scene.project, scene.first, year, at, until, shadowed=bool(rollout))
        if rollout:
            yield f"{at:%B}: a look at the rollout {rollout.id} …"
            orchestrator.run_flow("rollout", scene.project, until, "demo")
        at = until


def next_look(project: Project, rollout: Rollout, at: datetime) -> datetime:
    """Return when *rollout* is looked at next: not before the labels of as many days are known as let it advance."""
    days = 0 if isinstance(rollout.plan, Ab) else rollout.plan.least_units
    first = rollout.began + timedelta(days=days) + project.data.label_delay
    return max(first, max(at, rollout.since) + SLICE)


def next_stop(at: datetime, look: datetime | None, end: datetime) -> datetime:
    """Return the moment until which traffic is sent: the next *look*, the day of the shuffled labels, or *end*."""
    day = at.replace(day=SHUFFLED_DAY)
    stops = [end, *([look] if look else []), *([day] if at.month == SHUFFLED_MONTH and at < day else [])]
    return min(stops)


def is_due(project: Project, at: datetime) -> bool:
    """Return whether the challenger with shuffled labels comes now."""
    if at.month != SHUFFLED_MONTH or at.day < SHUFFLED_DAY or registry.state(project.name).rollout:
        return False
    return not any(WAIVER in move.reason for move in registry.ledger(project.name))


def train_shuffled(scene: Scene, as_of: datetime) -> None:
    """Train a version of the model on shuffled labels, its gates waived on the record, and start its rollout."""
    folder = scene.home / "shuffled"
    folder.mkdir(exist_ok=True)
    content = yaml.safe_load(scene.project.path.read_text(encoding="utf-8"))
    hooks = {"load": "shuffled_labels:load", "fingerprint": "shuffled_labels:fingerprint"}
    content["data"]["source"].update(hooks)
    content["description"] = "Trained on shuffled labels by the demonstration."
    content["training"] |= {"window": "30d", "refit": False}  # There is nothing to learn.
    file = folder / scene.project.path.name
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    shutil.copy(Path(__file__).with_name("shuffled_labels.py"), folder)
    shutil.copy(scene.project.path.with_name("flights.py"), folder)
    orchestrator.run_command("train", str(file), "--as-of", as_of.isoformat(), "--override", WAIVER)


def endings(moves: Sequence[Move], start: datetime, end: datetime) -> tuple[Ending, ...]:
    """Return the rollouts among *moves* that ended in (*start*, *end*], as the flows saw the time."""
    ends = {"finish": "promoted", "roll back": "rolled back"}
    return tuple(
        Ending(
            version=last.version or 0,
            outcome=ends[last.kind],
            rows=rows_until(moves, last),
            reason=last.reason,
        )
        for last in moves
        if last.kind in ends and start < last.as_of <= end
    )


def rows_until(moves: Sequence[Move], last: Move) -> int:
    """Count the rows that were answered from the start of the rollout that *last* ended."""
    began = max(move.number for move in moves if move.kind == "start" and move.number < last.number)
    return sum(move.rows or 0 for move in moves if began < move.number <= last.number)
