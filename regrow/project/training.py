"""What is fitted, on how much of the past."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, cast

from pydantic import Field, model_validator

from regrow.project.fields import (
    ClassPath,
    Duration,
    PackageName,
    Reference,
    Scalar,
    Strict,
    TypeName,
    format_duration,
)
from regrow.project.metrics import Metric


class RandomizedSearch(Strict):
    """scikit-learn's random search over *space*."""

    kind: Literal["randomized"]
    space: Annotated[
        dict[str, Annotated[list[Scalar], Field(min_length=1)]],
        Field(description="Values to draw from, by estimator parameter"),
    ]
    trials: Annotated[int, Field(ge=1)] = 10
    folds: Annotated[int, Field(ge=2)] = 3


class HalvingSearch(Strict):
    """scikit-learn's successive halving over *space*."""

    kind: Literal["halving"]
    space: Annotated[
        dict[str, Annotated[list[Scalar], Field(min_length=1)]],
        Field(description="Values to draw from, by estimator parameter"),
    ]
    trials: Annotated[int, Field(ge=2, description="Candidates in the first round")] = 12
    folds: Annotated[int, Field(ge=2)] = 3


Search = Annotated[RandomizedSearch | HalvingSearch, Field(discriminator="kind")]


class ByType(Strict):
    """How columns are prepared by their type; what is left out follows from the estimator."""

    scale: Annotated[
        bool | None,
        Field(description="Numbers to mean 0 and spread 1; default: unless the estimator takes gaps"),
    ] = None
    max_categories: Annotated[
        int | None,
        Field(ge=2, description="Most categories of a text column; the rarest ones are put together"),
    ] = None
    min_frequency: Annotated[
        Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] | None,
        Field(description="Rows, or share of the rows, of a category that is not rare"),
    ] = None
    missing_indicators: Annotated[
        bool, Field(description="A column of 0 and 1 beside each number that may be missing")
    ] = False
    dates: Annotated[
        Literal["age", "parts"] | None,
        Field(description="Days before data.timestamp, or year, month, day, weekday and hour (UTC)"),
    ] = None
    words: Annotated[
        dict[str, Annotated[int, Field(ge=1)]],
        Field(
            description="Columns of free text, each with how many of its most frequent words become features, as "
            "TF-IDF weights: `{notes: 200}`"
        ),
    ] = {}


class HalfLife(Strict):
    """Weights by age: a row weighs half as much as one that is *half_life* younger."""

    half_life: Duration

    @model_validator(mode="after")
    def _positive(self) -> "HalfLife":
        if not self.half_life:
            raise ValueError("a half-life is longer than nothing")
        return self


class TrainingWindow(Strict):
    """How much of the past is learnt from, and how much its age counts."""

    window: Annotated[Duration | Literal["all"], Field(description="How far back from the newest row")]
    half_life: Annotated[
        Duration | None,
        Field(
            description="A row weighs half as much as one that is so much younger; default: all weigh alike"
        ),
    ] = None

    @model_validator(mode="after")
    def _positive(self) -> "TrainingWindow":
        if timedelta() in (self.window, self.half_life):
            raise ValueError("a window and a half-life are longer than nothing")
        return self

    @property
    def length(self) -> timedelta | None:
        """How far back it reaches; None: to the first row."""
        return None if self.window == "all" else self.window

    def __str__(self) -> str:
        """Return it in words: `90d`, `all, half-life 60d`."""
        words = format_duration(self.window) if isinstance(self.window, timedelta) else self.window
        return words if self.half_life is None else f"{words}, half-life {format_duration(self.half_life)}"


class CostOfErrors(Strict):
    """What a wrong decision costs, in any unit."""

    false_positive: Annotated[float, Field(ge=0)]
    false_negative: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _some(self) -> "CostOfErrors":
        if not self.false_positive + self.false_negative:
            raise ValueError("if no error costs anything, nothing is to be tuned")
        return self


class TunedThreshold(Strict):
    """The threshold at which *metric* is best, by cross-validation on the training rows."""

    metric: Metric
    folds: Annotated[int, Field(ge=2)] = 5


class CostThreshold(Strict):
    """The threshold at which errors cost least, by cross-validation on the training rows."""

    cost: CostOfErrors
    folds: Annotated[int, Field(ge=2)] = 5


Threshold = Annotated[float, Field(ge=0, le=1)] | TunedThreshold | CostThreshold


class Training(Strict):
    """What is fitted, on how much of the past."""

    estimator: ClassPath
    parameters: Annotated[
        dict[str, Any],
        Field(
            description="The estimator's own parameters; one that is an estimator is written "
            "`{estimator: …, parameters: {…}}`, in a list of named ones `[name, {estimator: …}]`"
        ),
    ] = {}
    preprocessing: Annotated[
        Reference | ByType,
        Field(
            description="How columns are prepared by their type; or a function beside this file that takes the "
            "columns and what each holds, and returns a scikit-learn transformer"
        ),
    ] = ByType()
    sample_weight: Annotated[
        str | HalfLife | None,
        Field(description="How much a training row counts: a column, which is no feature then, or by age"),
    ] = None
    window: Annotated[
        Duration | None, Field(description="How far back from `as_of`; default: everything")
    ] = None
    windows: Annotated[
        tuple[Duration | Literal["all"] | TrainingWindow, ...],
        Field(
            description="Several in place of `window`: `90d`, `all`, `{window: all, half_life: 60d}`. The one that is "
            "best on the rows before the holdout is taken; the holdout's share is of the shortest one"
        ),
    ] = ()
    search: Search | None = None
    schedule: Annotated[
        str | None, Field(description="Cron, UTC, whatever `retraining` says; default: by hand")
    ] = None
    threshold: Annotated[
        Threshold | None,
        Field(
            description="Probability from which a classifier of two classes decides for the second: a number, "
            "`{metric: f1}`, or `{cost: {false_positive: 1, false_negative: 5}}`; default: 0.5"
        ),
    ] = None
    seed: int = 0
    refit: Annotated[
        bool,
        Field(
            description="Fit the recipe again on all known rows, the holdout too, once it is judged; that is served"
        ),
    ] = True
    trust: Annotated[
        tuple[TypeName, ...],
        Field(description="Full names of types that the model may hold beyond the checked list"),
    ] = ()
    trust_versions: Annotated[
        tuple[PackageName, ...],
        Field(
            description="Packages with which the model may be loaded in another major version than it was made with"
        ),
    ] = ()

    @model_validator(mode="after")
    def _one_past(self) -> "Training":
        if not self.windows:
            return self
        if self.window is not None:
            raise ValueError("window and windows say the same twice; write the window into the list")
        if self.sample_weight is not None and any(each.half_life for each in self.choices):
            raise ValueError(
                "a window's half_life and sample_weight are two weights of one row; keep one of them"
            )
        if len({str(each) for each in self.choices}) < len(self.choices):
            raise ValueError("a window stands twice in windows; take one out")
        return self

    @property
    def choices(self) -> tuple[TrainingWindow, ...]:
        """The windows of which one is chosen, in the order of the file; none if the file does not ask for it."""
        return tuple(
            each if isinstance(each, TrainingWindow) else TrainingWindow(window=each) for each in self.windows
        )

    @property
    def reach(self) -> timedelta | None:
        """How far back rows are read; None: all of them."""
        lengths = [each.length for each in self.choices] or [self.window]
        return None if None in lengths else max(length for length in lengths if length is not None)

    @property
    def shortest(self) -> timedelta | None:
        """The shortest of several windows, if it does not reach back to the first row."""
        return min((each.length for each in self.choices if each.length is not None), default=None)

    @property
    def weight_column(self) -> str | None:
        """The column of the rows' weights, if there is one."""
        return self.sample_weight if isinstance(self.sample_weight, str) else None

    @property
    def own_code(self) -> tuple[str, ...]:
        """The references (`module:attribute`) to Python files beside the project file; each once."""
        named = {"estimator": self.estimator, "parameters": self.parameters}
        hook = [self.preprocessing] if isinstance(self.preprocessing, str) else []
        paths = [*_class_paths(named), *hook]
        return tuple(dict.fromkeys(path for path in paths if ":" in path))


def is_nested(value: object) -> bool:
    """Return whether *value* of a parameter describes an estimator: `{estimator: path, parameters: {…}}`."""
    return isinstance(value, Mapping) and isinstance(value.get("estimator"), str)


def _class_paths(value: object) -> Iterator[str]:
    """Yield the path of every estimator in *value*."""
    if is_nested(value):
        yield cast("Mapping[str, str]", value)["estimator"]
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inside:
        yield from _class_paths(each)
