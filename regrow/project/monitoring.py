"""What is watched, and when a model is trained again."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from regrow.project.fields import Duration, Share, Strict


class QualityRule(Strict):
    """Data quality of the served rows."""

    missing: Annotated[
        Share, Field(description="Greatest rise of a column's missing share over the reference")
    ] = 0.05
    unseen: Annotated[
        Share, Field(description="Greatest share of a text column's values not in the reference")
    ] = 0.1
    least_rows: Annotated[int, Field(ge=1, description="Served rows below which the rule is undecided")] = 50


DriftMethod = Literal["psi", "jensenshannon", "wasserstein"]


class DriftRule(Strict):
    """Data drift: distance of each column's distribution from the reference."""

    method: Annotated[DriftMethod, Field(description="Evidently's distance")] = "psi"
    threshold: Annotated[float, Field(gt=0, description="Distance from which a column counts as drifted")] = (
        0.2
    )
    share: Annotated[
        float, Field(gt=0, le=1, description="Share of drifted columns from which the rule fails")
    ] = 0.3
    max_rows: Annotated[int, Field(ge=100, description="Rows that are sampled on each side at most")] = 50_000
    least_rows: Annotated[int, Field(ge=1, description="Served rows below which the rule is undecided")] = 200


MOST_ROWS = 1_000_000
"""The most rows of a window that performance is judged on; of more a sample is drawn."""


class PerformanceRule(Strict):
    """The primary metric on matured labels, against the champion's holdout figure."""

    tolerance: Annotated[float, Field(ge=0, description="Greatest loss of the primary metric")] = 0.03
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
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
        float, Field(gt=0, description="Distance from which predictions have drifted")
    ] = 0.2
    performance: PerformanceRule = PerformanceRule()
    report: Annotated[
        Literal["alarm", "always"],
        Field(
            description="When the drift report of 4 MB is written; its figures are always kept, and "
            "`regrow report` writes it at any time"
        ),
    ] = "alarm"
    skew: Annotated[
        SkewRule | None,
        Field(
            description="Compare served features with the source's; default: not, as it reads the source once more"
        ),
    ] = None


class Budget(Strict):
    """The most retrainings in a period."""

    runs: Annotated[int, Field(ge=1)] = 12
    period: Duration = timedelta(days=365)


class Retraining(Strict):
    """When a model is trained again, and when that is declined."""

    on_alarm: Annotated[bool, Field(description="Let an alarm start a retraining")] = True
    schedule: Annotated[str | None, Field(description="Cron, UTC")] = None
    cooldown: Annotated[Duration, Field(description="Least time between two retrainings")] = timedelta(days=1)
    least_labels: Annotated[
        int, Field(ge=1, description="Least labelled rows that the champion was not trained on")
    ] = 500
    budget: Budget = Budget()
