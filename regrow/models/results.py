"""What tasks hand to one another: small frozen values that name data and models, never frames.

Predictions have one shape everywhere: `(rows,)` for a regression, `(rows, classes)` probabilities for a classifier,
in the order of `ModelFacts.classes`; the positive class of a binary classifier is the second.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from regrow.base.formats import StoredRecord
from regrow.base.verdict import Finding, Subject
from regrow.data.snapshots import Snapshot
from regrow.data.tidying import Room
from regrow.data.windows import Window
from regrow.project.monitoring import DriftMethod
from regrow.project.training import TrainingWindow

UNFIT = re.compile(r"[^\w./ -]")
"""What MLflow takes in no name of a metric."""

UNIT, SLICE, TIME = "unit", "slice.", "time"
"""Columns of an evaluation's predictions: the number of the row's sampling unit, (with the column's name behind it)
what slices are made by, and the event's time in microseconds since 1970."""

ProblemType = Literal["binary", "multiclass", "regression"]
"""What a model predicts: one of two classes, one of several, or a number."""


class Result(BaseModel):
    """Frozen and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Validation(Result):
    """The rows that met the expectations, and those that were set aside."""

    accepted: Snapshot
    quarantined: Snapshot | None
    """Rows set aside, each with its `reason`; None if every row passed."""
    remarks: tuple[Finding, ...] = ()
    """What a person should know although nothing is refused for it: possible leaks, columns that are not used."""


class Parts(Result):
    """Two disjoint parts of a dataset."""

    training: Snapshot
    holdout: Snapshot
    known: Snapshot
    """The rows of both."""
    remarks: tuple[Finding, ...] = ()
    """What a person should know before anything is fitted: that so small a holdout proves nothing."""


class ModelFacts(StoredRecord):
    """What a stored model says of itself beside its signature: `metadata["regrow"]` of the MLflow model."""

    project: str
    kind: ProblemType
    classes: tuple[str | int | float | bool, ...] = ()
    id: str | None
    """Request column that names a row: logged with the prediction, not seen by the model."""
    timestamp: str | None
    """Request column with the event's time: logged with the prediction, not seen by the model."""
    entity: str | None = None
    """Request column that says whom a row is about, if rows of it recur; without one it is the id's."""
    training: Snapshot
    """The rows that the model has learnt from."""
    holdout: Snapshot
    """The rows on which it was judged, or the model that `judged` names."""
    judged: str = ""
    """MLflow's id of the model of the same recipe that was fitted without the holdout and judged on it; empty: it is
    this model itself, which has not seen the holdout."""
    window: TrainingWindow | None = None
    """Which of the file's `training.windows` was chosen; None if it names none."""
    chosen: dict[str, Any] = Field(default={})
    """What a search has chosen, by the pipeline's parameters."""
    threshold: float | None = None
    """Probability of the second of two classes from which the model decides for it; None: the likelier one."""
    code: tuple[str, ...] = ()
    """Modules of the team's own code that are stored with the model; each is named by its content."""
    trust: tuple[str, ...] = ()
    """Types beyond the checked list that the project file trusted."""
    libraries: dict[str, str] = Field(default={})
    """The libraries that the model was made with, and their versions; a model of version 0.2 names none."""
    hold_back: float = 0.0
    """Share of the entities whose predictions are held back while it is the champion."""
    trust_versions: tuple[str, ...] = ()
    """Libraries that may be here in another major version: the project file said so."""

    def reference(self, part: Literal["training", "holdout"]) -> Snapshot:
        """Return the model's own rows that a window is compared with."""
        return self.training if part == "training" else self.holdout

    @property
    def figures_of(self) -> str:
        """What the holdout's figures are of, in words; empty if they are the model's own."""
        if not self.judged:
            return ""
        return (
            f"they were measured on models:/{self.judged}, fitted without the holdout; what serves was fitted again on "
            f"all {self.training.rows} rows that were known"
        )

    @property
    def rows_known(self) -> int:
        """How many rows there were when the model was made: those that it learnt from, and those held out."""
        return self.training.rows + (0 if self.judged else self.holdout.rows)


def judged_uri(model_id: str, facts: ModelFacts) -> str:
    """Return the URI of the model that has not seen the holdout of the model *model_id*: itself, or that of *facts*."""
    return f"models:/{facts.judged or model_id}"


class Candidate(Result):
    """A fitted model that is READY in MLflow."""

    model_id: str
    run_id: str
    recipe: str
    """SHA-256 of all that determines the fit: snapshots, project file, code, lock; one recipe gives one model."""
    facts: ModelFacts

    @property
    def uri(self) -> str:
        """The MLflow model URI."""
        return f"models:/{self.model_id}"

    @property
    def judged_uri(self) -> str:
        """The URI of the model that was judged: this one, or the same recipe fitted without the holdout."""
        return judged_uri(self.model_id, self.facts)


class SliceMetrics(Result):
    """The candidate's metrics on the rows where *column* equals *value*."""

    column: str
    value: str
    rows: int
    metrics: dict[str, float]


class ChampionToBeat(Result):
    """The version that a candidate has to beat; nobody while there is no champion."""

    number: int | None = None
    candidate: Candidate | None = None


class Evaluation(Result):
    """Candidate, baseline and champion on the same unseen rows."""

    candidate: Candidate
    champion_version: int | None
    rows: int
    metrics: dict[str, float]
    baseline: dict[str, float]
    champion: dict[str, float] | None
    """None if there is no champion, or it could not be measured."""
    champion_obstacle: str = ""
    """Why the champion could not be measured, and what to do."""
    champion_remark: str = ""
    """Which of the champion's models was compared, if it is not the one that serves."""
    thresholds: dict[str, float] = {}
    """By which each of the models decides, if it has a threshold of its own: `candidate`, `champion`."""
    slices: tuple[SliceMetrics, ...]
    predictions: Snapshot
    """One row per holdout row: `target`, then `candidate`, `baseline` and, if there is one, `champion`; then the `unit`
    and each column that a gate slices by."""
    errors: dict[str, float] = {}
    """Standard errors of `metrics`, from unit to unit; of those alone for which there are enough units."""
    costs: dict[str, float] = {}
    """What a gate asks of the candidate itself: `latency_ms`, `size_mb`."""


class DriftFigures(StoredRecord):
    """What drift was measured on, by which rule, and what came out: enough to draw its report again."""

    champion: int
    window: Window
    reference: Snapshot
    method: DriftMethod | Literal["wasserstein"]
    """Wasserstein's distance was measured before 0.4."""
    threshold: float
    prediction_threshold: float
    max_rows: int
    """Rows of the reference at most."""
    columns: dict[str, float]
    """The distance of each column that was compared."""
    prediction: float | None
    """The distance of the predictions; None if they could not be compared."""
    predicted: int
    """Rows of the window that the champion predicted."""
    context: tuple[str, ...] = ()
    """The columns that were given: the others' distances are given these."""
    covered: float | None = None
    """The share of the window's rows whose context the reference knows; None without a context."""
    dependence: dict[str, float] | None = None
    """The greatest change of a correlation, and how probable it is by chance; None if it was not asked for."""
    drifted: tuple[str, ...] = ()
    """The columns that drifted, and the predictions if they did; none of a record of before 0.4."""
    doubts: dict[str, float] = Field(default={})
    """How probable by chance each distance is that reaches its threshold; 1 for the others."""
    level: float | None = None
    """The probability of a false finding that this look had."""


class Measurement(Result):
    """What one monitoring step found, with the figures behind it and the page where they stand."""

    subject: Subject
    """What the step watches."""
    findings: tuple[Finding, ...]
    figures: dict[str, float]
    """The step's MLflow metrics, by name."""
    url: str | None
    """The step's MLflow run; None if MLflow is used without a server."""
    report: str | None = None
    """The page with the step's report, if it wrote one."""
    remarks: tuple[str, ...] = ()
    """What the run's page says beside the findings."""


def figures_by_column(figure: str, values: Mapping[str, float]) -> dict[str, float]:
    """Name the *values* of columns as MLflow takes them: `FIGURE.COLUMN`, each by a name of its own."""
    figures: dict[str, float] = {}
    for column, value in values.items():
        name = f"{figure}.{UNFIT.sub('_', column)}"
        while name in figures:
            name += "_"
        figures[name] = value
    return figures


RemovedKind = Literal["runs", "reports", "versions", "results", "snapshots", "tables", "logs"]


class Removed(Result):
    """What was removed of one kind, or would be: how many things, and their bytes."""

    kind: RemovedKind
    of: str
    """The model; empty if it is of no single one."""
    count: int
    bytes: int

    @classmethod
    def made(cls, kind: RemovedKind, room: Room, of: str = "") -> "Removed":
        """Return that what was removed of *kind* made so much *room*."""
        return cls(kind=kind, of=of, count=room.count, bytes=room.bytes)


class Scored(Result):
    """The outcome of a batch scoring."""

    version: int
    rows: int
    """Rows of the period."""
    new: int
    """Rows that were not in the prediction log before."""
    delivered: int | None = None
    """Rows that were not in the destination before; None if the project file names none."""
    gone: int = 0
    """Rows of the period that this version has scored before, and that the source does not have any more."""
