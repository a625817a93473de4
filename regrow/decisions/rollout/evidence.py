"""What an open rollout has shown so far: plain arrays from the prediction log, joined with the labels."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from regrow.decisions.influence import Truth
from regrow.decisions.units import Units, single_rows
from regrow.models.metrics import Codes
from regrow.project import Unit

Floats = NDArray[np.float64]
Strings = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Arm:
    """How one version ran in this stage: the rows that it answered or, in shadow, scored."""

    rows: int
    requests: int
    """Those that the rows came with."""
    failures: float
    """Requests on which it raised, timed out, or gave a value that is not finite; one that failed in part counts that
    part. Rows of a request share its fate, so they are not counted one by one."""
    seconds: Floats
    """Time to answer, one for each request."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One version's predictions beside what came true, row by row, in the order in which they were served."""

    prediction: Floats
    """`(rows,)` for a regression, `(rows, classes)` probabilities for a classifier; NaN if it failed."""
    target: Strings
    """The label, as the model's classes spell it; anything if it is not known yet."""
    labelled: NDArray[np.bool_]
    entities: Strings | None = None
    """Whom each row is about: a version is drawn for all rows of one. None: for each row alone."""

    threshold: float | None = None
    """By which the version decides, if it has one of its own."""
    unit: Unit = "row"
    """What is one observation, beside the entity (`data.unit`)."""
    units: Strings | None = None
    """The unit of each row, by a name that is the same in both versions' rows. None: the entity, or the row itself."""

    def matured(self) -> "Answers":
        """Keep the rows that have a label, those on which the version failed among them."""
        return self.take(self.labelled)

    def first(self, share: float) -> NDArray[np.bool_]:
        """Return which rows are the first *share* of them."""
        return np.arange(len(self.prediction)) < round(share * len(self.prediction))

    def take(self, rows: NDArray[np.bool_]) -> "Answers":
        """Keep *rows*."""
        return replace(
            self,
            prediction=self.prediction[rows],
            target=self.target[rows],
            labelled=self.labelled[rows],
            entities=None if self.entities is None else self.entities[rows],
            units=None if self.units is None else self.units[rows],
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """The rows of the whole rollout that both versions scored, whoever answered, in the order of their event times.

    A row on which one of them failed belongs here too, with NaN for its prediction: that is how the failures of the
    two are compared on the same rows.
    """

    champion: Floats
    """As `Answers.prediction`."""
    challenger: Floats
    target: Strings
    labelled: NDArray[np.bool_]
    units: Units | None = None
    """Which rows are one observation (`data.unit`). None: each row is."""
    settled: NDArray[np.bool_] | None = None
    """Whether the unit of a row is over, so that it shows all that it will. None: all are."""
    requests: Codes | None = None
    """The number of the request of each row. None: each row came alone."""
    thresholds: tuple[float | None, float | None] = (None, None)
    """By which champion and challenger decide, if they have one of their own."""

    @property
    def both_answered(self) -> NDArray[np.bool_]:
        """Whether neither failed on a row."""
        return answered(self.champion) & answered(self.challenger)

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Whether a row has a label and its unit is over, whoever failed on it."""
        return self.labelled if self.settled is None else self.labelled & self.settled

    @property
    def judged_units(self) -> Units:
        """The units of the rows that are `judged`, in their order."""
        rows = self.judged
        return (self.units or single_rows(len(rows))).take(rows)


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whom the challenger was asked for in this stage, of those that it should be asked for at random."""

    weight: float
    """Share of the entities that the stage gives to the challenger."""
    entities: int
    """Entities with a row in this stage; a row without one counts as its own."""
    challengers: int
    """Those of them that were the challenger's, whether it answered or failed."""
    rows: int | None = None
    """The rows of them all."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How both versions ran in this stage, and what both said to the same rows in the whole rollout."""

    champion: Arm
    challenger: Arm
    pairs: Pairs
    ratio: SampleRatio | None = None
    """None in shadow, where nobody is the challenger's."""


def answered(prediction: Floats) -> NDArray[np.bool_]:
    """Return which rows of *prediction* are finite throughout."""
    total = prediction if prediction.ndim == 1 else prediction.sum(axis=1)
    return np.isfinite(total)


def complete(prediction: Floats, truth: Truth, classes: int) -> Floats:
    """Return *prediction* with what is known without a model for the rows on which the version failed.

    That is the shares of the *classes* in *truth*, or its mean: a version must not gain by failing on hard rows.
    """
    failed = ~answered(prediction)
    known = np.bincount(truth.astype(np.int64), minlength=classes) / len(truth) if classes else truth.mean()
    completed: NDArray[np.float64] = prediction.copy()
    completed[failed] = known
    return completed
