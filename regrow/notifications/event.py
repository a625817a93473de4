"""The one schema of what happens in the life of a model, or to the machine."""

import re
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from regrow.base.verdict import BY_URGENCY, Finding, Subject, Verdict
from regrow.project import Kind, Severity
from regrow.project.notifications import hide_passwords

MOST_TEXT = 2_000
FOR = "regrow.alarm.for"
"""Label of the resource: who acts on an alarm, `retraining` or `person`. The automation answers the first alone."""
SEVERITY = "regrow.severity"
"""Label of the resource: how urgent the event is."""


class Meaning(NamedTuple):
    """How urgent a kind of event is if nothing else is said, and its title; `{}` is what the event is about."""

    severity: Severity
    title: str


MEANINGS: dict[Kind, Meaning] = {
    "training.started": Meaning("info", "training started"),
    "training.finished": Meaning("info", "training finished"),
    "training.failed": Meaning("error", "{} failed"),
    "run.failed": Meaning("error", "{} failed"),
    "rows.quarantined": Meaning("warning", "more rows than usual were set aside"),
    "version.registered": Meaning("info", "{} registered"),
    "version.refused": Meaning("warning", "{} refused"),
    "version.promoted": Meaning("info", "{} promoted"),
    "version.rolled-back": Meaning("error", "{} rolled back"),
    "rollout.stuck": Meaning("warning", "the rollout of {} does not get on"),
    "alarm": Meaning("warning", "alarm: {}"),
    "drift.found": Meaning("info", "drift, without harm so far"),
    "retraining.declined": Meaning("warning", "retraining declined"),
    "retraining.budget-spent": Meaning("warning", "retraining declined, the budget is spent"),
    "breaker.open": Meaning("error", "no retraining until a person has looked"),
    "traffic.missing": Meaning("error", "no traffic"),
    "labels.late": Meaning("warning", "labels are late"),
    "schedule.missed": Meaning("warning", "the schedule of {} was missed"),
    "part.restarted": Meaning("warning", "{} was restarted"),
    "part.down": Meaning("error", "{} does not start"),
    "disk.nearly-full": Meaning("error", "the disk of {} is nearly full"),
    "key.expired": Meaning("warning", "{} has expired"),
}
Text = Annotated[str, AfterValidator(lambda text: hide_passwords(text)[:MOST_TEXT])]
Figure = int | float | Text


class Event(BaseModel):
    """One thing that happened; it is the payload of the Prefect event `regrow.KIND`.

    Fields that do not apply to a kind are empty.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    """The version of this schema."""
    id: UUID
    """The same for the same: of a run that is retried or doubled the event counts once."""
    kind: Kind
    severity: Severity
    at: datetime
    """When it was noticed, UTC."""
    model: str | None
    """The model's name; None: it is about the machine."""
    about: str = ""
    """What of it: `version 4`, `monitor`, `drift, performance`, a folder."""
    reason: Text
    """Why, in words."""
    figures: dict[str, Figure] = Field(default_factory=dict)
    """What was measured, by name."""
    links: dict[str, str] = Field(default_factory=dict)
    """The pages that hold more: `Prefect run`, `MLflow run`, `report`."""
    cause: str
    """Events of one cause are sent in one message: the flow run, or what is away."""
    config: str | None = None
    """The path of the model's project file."""
    as_of: datetime | None = None
    """The moment that the run took for now."""
    trigger: str = ""
    """What started the run: `schedule`, `alarm`, or a person."""
    flow_run: str | None = None
    """Id of the Prefect flow run."""
    run: str | None = None
    """Id of the MLflow run of the whole flow run."""
    causes: tuple[Subject, ...] = ()
    """What an alarm is about: `quality`, `drift`, `prediction drift`, `performance`."""
    acts: Literal["", "retraining", "person"] = ""
    """Who acts on an alarm."""

    @property
    def name(self) -> str:
        """What Prefect calls it."""
        return event_name(self.kind)

    @property
    def resource(self) -> dict[str, str]:
        """Whom Prefect's event is about: automations match events by these labels."""
        name = self.model or socket.gethostname()
        acts = {FOR: self.acts} if self.acts else {}
        place = "model" if self.model else "machine"
        return {
            "prefect.resource.id": f"regrow.{place}.{name}",
            "prefect.resource.name": name,
            SEVERITY: self.severity,
            **acts,
        }

    @property
    def title(self) -> str:
        """What happened, in a line."""
        name = self.model or socket.gethostname()
        return f"{name}: {MEANINGS[self.kind].title.format(self.about)}"

    @property
    def topic(self) -> str:
        """What counts as the same: it is told once in the quiet period of a target."""
        return f"{self.kind}/{self.model or socket.gethostname()}/{self.about}"


def event_name(kind: Kind) -> str:
    """Return what Prefect calls the event of *kind*."""
    return f"regrow.{kind}"


def event_id(kind: Kind, model: str | None, key: str) -> UUID:
    """Return the one id of *kind* for *model* (None: this machine) and *key*: Prefect takes an event id once."""
    return uuid5(NAMESPACE_URL, f"{event_name(kind)}/{model or socket.gethostname()}/{key}")


def figures_of(verdict: Verdict, most: int = 12) -> dict[str, Figure]:
    """Return what the findings of *verdict* measured, at most *most* of them: what failed first."""
    measured = [finding for finding in verdict.findings if finding.figure is not None]
    ordered = sorted(measured, key=lambda each: BY_URGENCY.index(each.result))
    return {each.rule: _figure(each) for each in ordered[:most]}


def numbers(figures: Mapping[str, float]) -> dict[str, Figure]:
    """Return *figures* as an event holds them: whole numbers whole, others with four digits."""
    return {
        name: int(value) if value == int(value) else float(f"{value:.4g}") for name, value in figures.items()
    }


def _figure(finding: Finding) -> Figure:
    """Return what *finding* measured, with its limit if the rule does not name it."""
    figure = float(f"{finding.figure or 0.0:.4g}")
    limit = f"{finding.limit:.4g}" if finding.limit is not None else ""
    return (
        f"{figure:g} (limit {limit})" if limit and not re.search(re.escape(limit), finding.rule) else figure
    )
