"""How long what a model leaves behind is kept."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator

from regrow.project.fields import Duration, Strict


class Retention(Strict):
    """How long what a model leaves behind is kept; what a version that served or the ledger needs always stays."""

    reports: Annotated[Duration, Field(description="Pages of drift; their figures stay with their run")] = (
        timedelta(days=30)
    )
    runs: Annotated[
        Duration,
        Field(
            description="MLflow runs that decided nothing: monitoring without an alarm, looks, scoring, failures"
        ),
    ] = timedelta(days=90)
    verdicts: Annotated[
        Duration, Field(description="MLflow runs with an alarm, or that declined a retraining")
    ] = timedelta(days=730)
    versions: Annotated[
        Duration, Field(description="Files of versions that never served; what is known of them stays")
    ] = timedelta(days=90)

    @model_validator(mode="after")
    def _ordered(self) -> "Retention":
        if self.verdicts < self.runs:
            raise ValueError("verdicts is shorter than runs: a run with an alarm is kept as long as others")
        if self.runs < timedelta(days=1):
            raise ValueError(
                "runs is shorter than a day: what is at work would be in its way; give 1d or more"
            )
        return self
