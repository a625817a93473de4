"""How a candidate is measured and what it must reach."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from regrow.project.fields import Strict
from regrow.project.metrics import Metric

Confidence = Annotated[float, Field(gt=0.5, lt=1, description="How sure the gain must be")]


class ThresholdGate(Strict):
    """The metric itself: at least, or at most."""

    kind: Literal["threshold"]
    metric: Metric
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "ThresholdGate":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give either at_least or at_most")
        return self


class BaselineGate(Strict):
    """Proven better than scikit-learn's Dummy by more than *margin*, on the primary metric."""

    kind: Literal["beats_baseline"]
    confidence: Confidence = 0.95
    margin: float = 0.0


class ChampionGate(Strict):
    """Proven better than the champion on the same unseen rows, by an interval over `data.unit`."""

    kind: Literal["beats_champion"]
    confidence: Confidence = 0.95
    margin: Annotated[float, Field(description="Least gain of the primary metric")] = 0.0
    resamples: Annotated[
        int, Field(ge=100, description="Not used any more: the interval needs no resamples")
    ] = 1000


class SliceGate(Strict):
    """The metric in every slice of a column that has enough rows: refused if one is proven to break the bound."""

    kind: Literal["slice"]
    column: str
    metric: Metric
    at_least: float | None = None
    at_most: float | None = None
    least_rows: Annotated[int, Field(ge=1)] = 200
    confidence: Annotated[
        float, Field(gt=0.5, lt=1, description="How sure a refusal is, over all slices together (Holm)")
    ] = 0.95

    @model_validator(mode="after")
    def _bounded(self) -> "SliceGate":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give either at_least or at_most")
        return self


Gate = Annotated[ThresholdGate | BaselineGate | ChampionGate | SliceGate, Field(discriminator="kind")]


class EvaluationPlan(Strict):
    """How a candidate is measured and what it must reach."""

    primary: Metric
    metrics: tuple[Metric, ...] = ()
    slices: Annotated[tuple[str, ...], Field(description="Columns whose values are measured one by one")] = ()
    gates: tuple[Gate, ...] = (BaselineGate(kind="beats_baseline"), ChampionGate(kind="beats_champion"))

    @property
    def all_metrics(self) -> tuple[Metric, ...]:
        """The primary metric, then the others, then those that gates ask for; each once."""
        gated: list[Metric] = [
            gate.metric for gate in self.gates if isinstance(gate, ThresholdGate | SliceGate)
        ]
        return tuple(dict.fromkeys((self.primary, *self.metrics, *gated)))
