"""What is fitted, on how much of the past."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import Field, model_validator

from regrow.project.fields import ClassPath, Duration, Reference, Scalar, Strict, TypeName
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
        Reference | None,
        Field(
            description="A function beside this file that takes the columns and what each holds, and returns a "
            "scikit-learn transformer; default: by type"
        ),
    ] = None
    window: Annotated[
        Duration | None, Field(description="How far back from `as_of`; default: everything")
    ] = None
    search: Search | None = None
    threshold: Annotated[
        Threshold | None,
        Field(
            description="Probability from which a classifier of two classes decides for the second: a number, "
            "`{metric: f1}`, or `{cost: {false_positive: 1, false_negative: 5}}`; default: 0.5"
        ),
    ] = None
    seed: int = 0
    trust: Annotated[
        tuple[TypeName, ...],
        Field(description="Full names of types that the model may hold beyond the checked list"),
    ] = ()

    @property
    def own_code(self) -> tuple[str, ...]:
        """The references (`module:attribute`) to Python files beside the project file; each once."""
        named = {"estimator": self.estimator, "parameters": self.parameters}
        paths = [*_class_paths(named), *([self.preprocessing] if self.preprocessing else [])]
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
