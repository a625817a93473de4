"""How a version that passed its gates comes to answer: at once, or by a rollout on live traffic."""

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from regrow.project.fields import Duration, Share, Strict
from regrow.project.metrics import Metric

MIRROR = "Share of the traffic that champion and challenger both score, one of them unseen"
Mirror = Annotated[float, Field(gt=0, le=1, description=MIRROR)]
"""On the rows that both score the metric is compared: without any, nothing would be."""
LeastRows = Annotated[int, Field(ge=1, description="Rows of the challenger's in a stage before it advances")]
LeastTime = Annotated[Duration, Field(description="Least time in a stage before it advances")]
LeastLabels = Annotated[
    int, Field(ge=0, description="Labelled rows that both have scored before a stage advances")
]
LeastUnits = Annotated[
    int,
    Field(
        ge=0,
        description="Whole units (data.unit; days, say) with labels that both have scored before a stage advances; "
        "by default limits, harm to the metric cannot be found in fewer than 8",
    ),
]


class RolloutLimits(Strict):
    """What rolls a challenger back; every look at all of them together keeps the stated confidence."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    failures: Annotated[
        Share,
        Field(description="Greatest excess of the challenger's share of failed requests over the champion's"),
    ] = 0.01
    latency_p50: Annotated[
        float | None, Field(gt=1, description="Greatest ratio of the median times to answer")
    ] = 2.0
    latency_p99: Annotated[
        float | None, Field(gt=1, description="Greatest ratio of the 99th percentiles of the times to answer")
    ] = 2.0
    disagreement: Annotated[
        Share | None, Field(description="Greatest share of rows on which the two decide differently")
    ] = None
    shift: Annotated[
        Share | None, Field(description="Greatest distance (Kolmogorov-Smirnov) of the two's predictions")
    ] = None
    metric_loss: Annotated[
        float,
        Field(
            ge=0,
            description="Harm margin: loss of the primary metric against the champion's that rolls nothing back",
        ),
    ] = 0.0


class Stage(Strict):
    """One stage of a rollout: the challenger answers *weight* of the traffic; 0 is shadow."""

    weight: Share
    least_rows: int
    least_time: timedelta


class Replace(Strict):
    """The new version answers everything at once."""

    kind: Literal["replace"]


class Shadow(Strict):
    """The challenger scores live traffic unseen, then answers everything."""

    kind: Literal["shadow"]
    mirror: Mirror = 1.0
    least_rows: LeastRows = 1000
    least_time: LeastTime = timedelta(0)
    least_labels: LeastLabels = 0
    least_units: LeastUnits = 0
    limits: RolloutLimits = RolloutLimits()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The one stage in which nobody sees the challenger's answer."""
        return (Stage(weight=0.0, least_rows=self.least_rows, least_time=self.least_time),)


class Canary(Strict):
    """The challenger answers a growing share of the entities, after a time in shadow if the file asks for one."""

    kind: Literal["canary"]
    weights: Annotated[
        tuple[Annotated[float, Field(gt=0, lt=1)], ...],
        Field(min_length=1, description="Share of the entities at each step; after the last: everything"),
    ] = (0.05, 0.25, 0.5)
    shadow_rows: Annotated[
        int, Field(ge=0, description="Rows scored in shadow before the first step; 0: no shadow")
    ] = 0
    mirror: Mirror = 1.0
    least_rows: LeastRows = 500
    least_time: LeastTime = timedelta(0)
    least_labels: LeastLabels = 0
    least_units: LeastUnits = 0
    limits: RolloutLimits = RolloutLimits()

    @model_validator(mode="after")
    def _growing(self) -> "Canary":
        if any(after <= before for before, after in pairwise(self.weights)):
            raise ValueError("weights must grow: 0.05, 0.25, 0.5")
        return self

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The shadow stage if there is one, then a stage for each weight."""
        steps = tuple(
            Stage(weight=weight, least_rows=self.least_rows, least_time=self.least_time)
            for weight in self.weights
        )
        if not self.shadow_rows:
            return steps
        return (Stage(weight=0.0, least_rows=self.shadow_rows, least_time=self.least_time), *steps)


class Ab(Strict):
    """A fixed split of the entities until one of the two is proven better, or neither."""

    kind: Literal["ab"]
    split: Annotated[float, Field(gt=0, lt=1, description="Share of the entities the challenger answers")] = (
        0.5
    )
    mirror: Annotated[Share, Field(description=MIRROR)] = 0.0
    metric: Annotated[Metric | None, Field(description="Default: the primary metric")] = None
    least_rows: Annotated[int, Field(ge=1, description="Labelled rows of each before anything is said")] = (
        1000
    )
    greatest_rows: Annotated[int, Field(ge=1, description="Labelled rows of each at which it ends")] = 20_000
    smallest_difference: Annotated[
        float, Field(gt=0, description="Difference of the metric below which the two count as equal")
    ] = 0.01
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    limits: RolloutLimits = RolloutLimits()

    @model_validator(mode="after")
    def _ordered(self) -> "Ab":
        if self.greatest_rows < self.least_rows:
            raise ValueError("greatest_rows is below least_rows: a test that ends before it may say anything")
        return self

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The one stage of the fixed split."""
        return (Stage(weight=self.split, least_rows=self.least_rows, least_time=timedelta(0)),)


RolloutPlan = Annotated[Shadow | Canary | Ab, Field(discriminator="kind")]


class Deployment(Strict):
    """How a promoted version reaches the model server."""

    rollout: Annotated[
        Replace | Shadow | Canary | Ab,
        Field(discriminator="kind", description="At once, or by proving itself on live traffic"),
    ] = Replace(kind="replace")
    rollout_schedule: Annotated[
        str | None, Field(description="Cron, UTC, of the look at an open rollout; default: by hand only")
    ] = None
    stuck_after: Annotated[
        Duration,
        Field(description="How long a rollout may stay in one stage, beyond its `least_time`, untold"),
    ] = timedelta(days=7)
    hold_back: Annotated[
        float,
        Field(
            ge=0,
            le=0.5,
            description="Share of the entities whose predictions are held back: answered, and marked `held_back`, so "
            "that nobody acts on them and their labels show what comes without the model; from the next version on",
        ),
    ] = 0.0
    server: Annotated[
        bool, Field(description="Wait until the model server confirms a promotion; else move the alias only")
    ] = True
    timeout: Annotated[
        Duration, Field(description="How long the server may take before the old version returns")
    ] = timedelta(seconds=30)
