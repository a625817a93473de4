"""How a candidate is measured and what it must reach."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from regrow.project.fields import Strict
from regrow.project.metrics import Metric

Confidence = Annotated[float, Field(gt=0.5, lt=1, description="How sure the gain must be")]


class _Bounded(Strict):
    """A bound of a metric: at least, or at most."""

    metric: Metric
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> "_Bounded":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give either at_least or at_most")
        return self

    @property
    def limit(self) -> float:
        """The bound itself."""
        return next(bound for bound in (self.at_least, self.at_most) if bound is not None)

    @property
    def words(self) -> str:
        """What is asked: `roc_auc at least 0.6`."""
        return f"{self.metric} {'at most' if self.at_least is None else 'at least'} {self.limit:g}"

    def beyond(self, figure: float) -> float:
        """Return how far *figure* lies on the wrong side of the bound; below 0 if it keeps to it."""
        return figure - self.limit if self.at_least is None else self.limit - figure


class ThresholdGate(_Bounded):
    """The metric itself: at least, or at most."""

    kind: Literal["threshold"]


class BaselineGate(Strict):
    """Proven better than scikit-learn's Dummy by more than *margin*, on the primary metric."""

    kind: Literal["beats_baseline"]
    confidence: Confidence = 0.95
    margin: float = 0.0


class ChampionGate(Strict):
    """Against the champion on the same unseen rows, by an interval over `data.unit`.

    `proven`: better by more than `margin`. `non_inferior`: not worse by more than `margin`, proven. `expected`: better
    by more than `margin` on average, which luck can do as well: for models whose rollout finds harm and undoes it.
    """

    kind: Literal["beats_champion"]
    ask: Annotated[
        Literal["proven", "non_inferior", "expected"],
        Field(
            description="What of the gain is asked: that it is proven, that no loss is, or that it is there"
        ),
    ] = "proven"
    confidence: Confidence = 0.95
    margin: Annotated[
        float, Field(description="Least gain of the primary metric; of `non_inferior`: largest loss")
    ] = 0.0
    resamples: Annotated[
        int, Field(ge=100, description="Not used any more: the interval needs no resamples")
    ] = 1000

    @model_validator(mode="after")
    def _with_a_margin(self) -> "ChampionGate":
        if self.ask == "non_inferior" and self.margin <= 0:
            raise ValueError("non_inferior needs a margin above 0: the largest loss that would be accepted")
        return self


class SliceGate(_Bounded):
    """The metric in every slice of a column that has enough rows: refused if one is proven to break the bound."""

    kind: Literal["slice"]
    column: str
    least_rows: Annotated[int, Field(ge=1)] = 200
    confidence: Annotated[
        float, Field(gt=0.5, lt=1, description="How sure a refusal is, over all slices together (Holm)")
    ] = 0.95


class FairnessGate(Strict):
    """Two groups of a column are decided about alike: refused if a difference above `at_most` is proven.

    `demographic_parity`: the share that the model decides for (the second class). `equal_opportunity`: that share among
    rows that are of the second class. `equalized_odds`: also among those that are not; the greater difference counts.
    """

    kind: Literal["fairness"]
    column: str
    ask: Literal["demographic_parity", "equal_opportunity", "equalized_odds"] = "demographic_parity"
    at_most: Annotated[float, Field(gt=0, lt=1, description="Largest difference between two groups' shares")]
    least_rows: Annotated[int, Field(ge=1, description="Rows below which a group is not compared")] = 200
    confidence: Annotated[
        float, Field(gt=0.5, lt=1, description="How sure a refusal is, over all pairs together (Holm)")
    ] = 0.95


class CalibrationGate(Strict):
    """Probabilities are what happens: refused if they are proven to be off by more than `at_most` where they lie.

    The rows are sorted by the probability of a class and cut into `bins` equal parts; in each the mean probability is
    compared with the share of the class.
    """

    kind: Literal["calibration"]
    at_most: Annotated[float, Field(gt=0, lt=1, description="Largest difference in a part")] = 0.05
    bins: Annotated[int, Field(ge=1, le=100)] = 10
    confidence: Annotated[
        float, Field(gt=0.5, lt=1, description="How sure a refusal is, over all parts together (Holm)")
    ] = 0.95


class RobustnessGate(Strict):
    """The newest part of the holdout is predicted as well as the older: refused if a loss above `at_most` is proven."""

    kind: Literal["robustness"]
    newest: Annotated[
        float, Field(gt=0, lt=1, description="Share of the holdout's time that is the newest part")
    ] = 0.3
    at_most: Annotated[float, Field(ge=0, description="Largest loss of the primary metric")] = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1, description="How sure a refusal is")] = 0.95


class LatencyGate(Strict):
    """One row is predicted in time: 99 of 100 single rows, in the process that evaluates."""

    kind: Literal["latency"]
    at_most: Annotated[float, Field(gt=0, description="Milliseconds")]


class SizeGate(Strict):
    """The stored model is small enough."""

    kind: Literal["size"]
    at_most: Annotated[float, Field(gt=0, description="Megabytes (10^6 bytes) of the model's files")]


Gate = Annotated[
    ThresholdGate
    | BaselineGate
    | ChampionGate
    | SliceGate
    | FairnessGate
    | CalibrationGate
    | RobustnessGate
    | LatencyGate
    | SizeGate,
    Field(discriminator="kind"),
]


class EvaluationPlan(Strict):
    """How a candidate is measured and what it must reach."""

    primary: Metric
    metrics: tuple[Metric, ...] = ()
    slices: Annotated[tuple[str, ...], Field(description="Columns whose values are measured one by one")] = ()
    explain: Annotated[
        bool,
        Field(
            description="Log which columns the predictions come from (SHAP), over all rows and by slice; takes "
            "regrow[explain]"
        ),
    ] = False
    gates: tuple[Gate, ...] = (BaselineGate(kind="beats_baseline"), ChampionGate(kind="beats_champion"))

    @property
    def gated_columns(self) -> dict[str, str]:
        """The columns whose values gates compare, by the gate's key in the file."""
        return {
            f"evaluation.gates.{place}.column": gate.column
            for place, gate in enumerate(self.gates)
            if isinstance(gate, SliceGate | FairnessGate)
        }

    @property
    def all_metrics(self) -> tuple[Metric, ...]:
        """The primary metric, then the others, then those that gates ask for; each once."""
        gated: list[Metric] = [
            gate.metric for gate in self.gates if isinstance(gate, ThresholdGate | SliceGate)
        ]
        return tuple(dict.fromkeys((self.primary, *self.metrics, *gated)))
