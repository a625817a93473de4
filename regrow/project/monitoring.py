"""What is watched, and when a model is trained again."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from regrow.project.fields import Duration, Share, Strict

LEAST_UNITS = 10
"""Sampling units from which an interval is believed, in all and with a row of each class."""


class QualityRule(Strict):
    """Data quality of the served rows."""

    missing: Annotated[
        Share, Field(description="Greatest rise of a column's missing share over the reference")
    ] = 0.05
    unseen: Annotated[
        Share,
        Field(
            description="Greatest share of a text column's values that are new, above what is to be expected"
        ),
    ] = 0.1
    least_rows: Annotated[int, Field(ge=1, description="Served rows below which the rule is undecided")] = 50


DriftMethod = Literal["psi", "jensenshannon"]


class DriftRule(Strict):
    """Data drift: distance of each column's distribution from the reference, and of the predictions'."""

    method: Annotated[DriftMethod, Field(description="Distance between the shares of bins")] = "psi"
    threshold: Annotated[
        float,
        Field(
            gt=0,
            description="Distance from which a column drifts, if windows of the model's own past do not lie as far "
            "apart",
        ),
    ] = 0.2
    share: Annotated[
        float | None,
        Field(gt=0, le=1, description="Share of columns that must have drifted; default: one is enough"),
    ] = None
    alarm: Annotated[
        bool,
        Field(
            description="Let drift alone raise an alarm, which may retrain; default: it is told, and harm raises the "
            "alarm"
        ),
    ] = False
    context: Annotated[
        tuple[str, ...],
        Field(
            max_length=3,
            description="Features that are expected to move, such as the weather; another column drifts if it moved "
            "given these",
        ),
    ] = ()
    dependence: Annotated[
        float | None,
        Field(
            gt=0,
            lt=2,
            description="Tell two columns whose correlation changed by so much, in a window in which no column moved "
            "by itself; default: correlations are not compared",
        ),
    ] = None
    max_rows: Annotated[int, Field(ge=100, description="Rows that are sampled on each side at most")] = 50_000
    least_rows: Annotated[int, Field(ge=1, description="Served rows below which the rule is undecided")] = 200

    @field_validator("context")
    @classmethod
    def _each_once(cls, context: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse a column that is named twice."""
        if len(set(context)) < len(context):
            raise ValueError("names a column twice; name each once")
        return context

    @field_validator("method", mode="before")
    @classmethod
    def _without_wasserstein(cls, method: object) -> object:
        """Refuse what was measured before 0.4."""
        if method == "wasserstein":
            raise ValueError(
                "distances are those of bins since version 0.4, which know no Wasserstein distance; take psi or "
                "jensenshannon, and look at threshold: it was in standard deviations"
            )
        return method


MOST_ROWS = 1_000_000
"""The most rows of a window that performance is judged on; of more a sample is drawn."""


class PerformanceRule(Strict):
    """The primary metric on matured labels, against the champion's holdout figure."""

    tolerance: Annotated[float, Field(ge=0, description="Greatest loss of the primary metric")] = 0.03
    confidence: Annotated[
        float | None,
        Field(
            gt=0.5,
            lt=1,
            description="Confidence of each look's two-sided interval; default: what monitoring.false_alarms leaves it",
        ),
    ] = None
    least_rows: Annotated[
        int, Field(ge=1, le=MOST_ROWS, description="Labelled rows below which the rule is undecided")
    ] = 500
    matured: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Share of the labels that will ever come for rows of an age, from which rows of that age are "
            "judged; data.label_delay is the least age",
        ),
    ] = 0.9


class SkewRule(Strict):
    """The features that were served for a row, beside those that data.source now gives for the same row."""

    share: Annotated[
        Share | None,
        Field(
            description="Greatest share of the rows in which a column differs; default: recorded, never an alarm"
        ),
    ] = None
    max_rows: Annotated[int, Field(ge=100, description="Served rows that are compared at most")] = 10_000


class AttributionRule(Strict):
    """What columns add to the predictions of served rows, beside what they add on the champion's holdout."""

    least: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            description="Likeness of the two orders of columns (NDCG) below which predictions come from other columns",
        ),
    ] = 0.9
    rows: Annotated[
        int, Field(ge=100, le=10_000, description="Rows that are explained on each side at most")
    ] = 500


ReportRule = Literal["alarm", "drift", "always"]
"""When the drift report is written."""


class Monitoring(Strict):
    """What is watched, how often, over which window."""

    schedule: Annotated[str | None, Field(description="Cron, UTC; default: by hand only")] = None
    window: Duration = timedelta(days=14)
    reference: Annotated[
        Literal["training", "holdout"],
        Field(description="The champion's rows that the window is compared with"),
    ] = "training"
    quality: QualityRule = QualityRule()
    drift: DriftRule = DriftRule()
    prediction_drift: Annotated[
        float,
        Field(gt=0, description="Distance from which predictions drift, as drift.threshold for columns"),
    ] = 0.2
    false_alarms: Annotated[
        float,
        Field(
            gt=0,
            le=12,
            description="False alarms of lost performance in a year of watching, at most; and as many of broken "
            "data, and as many false findings of drift",
        ),
    ] = 1.0
    performance: PerformanceRule = PerformanceRule()
    report: Annotated[
        ReportRule,
        Field(
            description="When the drift report of 4 MB is written: if drift alarms (`drift.alarm`), if something "
            "drifted, or each time; its figures are always kept, and `regrow report` writes it at any time"
        ),
    ] = "alarm"
    attributions: Annotated[
        AttributionRule | None,
        Field(
            description="Compare what columns add to predictions, which needs the extra `regrow[explain]`; default: not"
        ),
    ] = None
    skew: Annotated[
        SkewRule | None,
        Field(
            description="Compare served features with the source's; default: not, as it reads the source once more"
        ),
    ] = None


DAILY = "20 5 * * *"
"""When it is asked each day whether the champion is too old."""


class Budget(Strict):
    """The most retrainings in a period."""

    runs: Annotated[int, Field(ge=1)] = 12
    period: Duration = timedelta(days=365)


class Repeated(Strict):
    """In how many of the last windows an alarm must have been raised."""

    of: Annotated[int, Field(ge=1, description="The last windows, the present one among them")]
    least: Annotated[int, Field(ge=1, description="In so many of them an alarm")]

    @model_validator(mode="after")
    def _possible(self) -> "Repeated":
        if self.least > self.of:
            raise ValueError("least is more than of: so many windows of so few cannot have an alarm")
        return self


class Retraining(Strict):
    """When a model is trained again, and when that is declined."""

    on_alarm: Annotated[bool, Field(description="Let an alarm start a retraining")] = True
    alarms: Annotated[
        Repeated,
        Field(description="Let it only if it is not the first: `{of: 3, least: 2}`; default: one is enough"),
    ] = Repeated(of=1, least=1)
    schedule: Annotated[
        str | None,
        Field(description="Cron, UTC; default: each day, if there is an age, else by an alarm alone"),
    ] = None
    age: Annotated[
        Duration | None,
        Field(description="A scheduled run trains only if the champion is older; default: whatever its age"),
    ] = None
    cooldown: Annotated[Duration, Field(description="Least time between two retrainings")] = timedelta(days=1)
    least_labels: Annotated[
        int, Field(ge=1, description="Least labelled rows that the champion was not trained on")
    ] = 500
    least_units: Annotated[
        int | None,
        Field(ge=1, description="Least units (`data.unit`) that they lie on: days, entities; default: any"),
    ] = None
    budget: Budget = Budget()
    supersede: Annotated[
        bool, Field(description="Train although a rollout is open, whose challenger a new one would displace")
    ] = False
    breaker: Annotated[
        int,
        Field(
            ge=1,
            description="After so many challengers in a row that were refused or rolled back, a person is asked; "
            "`regrow retrain FILE --force` goes on",
        ),
    ] = 3

    @property
    def scheduled(self) -> str | None:
        """The schedule in force, cron; None if only an alarm or a person starts a retraining."""
        return self.schedule or (DAILY if self.age else None)
