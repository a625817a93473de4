"""What is fitted, on how much of the past."""

from typing import Annotated, Any, Literal

from pydantic import Field

from regrow.project.fields import Duration, ImportPath, Scalar, Strict


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


class Training(Strict):
    """What is fitted, on how much of the past."""

    estimator: ImportPath
    parameters: Annotated[dict[str, Any], Field(description="The estimator's own parameters")] = {}
    window: Annotated[
        Duration | None, Field(description="How far back from `as_of`; default: everything")
    ] = None
    search: Search | None = None
    seed: int = 0
