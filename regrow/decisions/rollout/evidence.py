"""What an open rollout has shown so far: plain arrays from the prediction log, joined with the labels."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Strings = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Arm:
    """How one version ran in this stage: the rows that it answered or, in shadow, scored."""

    rows: int
    failures: int
    """Rows on which it raised, timed out, or gave a value that is not finite."""
    seconds: Floats
    """Time to answer, one for each request."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One version's predictions beside what came true, row by row."""

    prediction: Floats
    """`(rows,)` for a regression, `(rows, classes)` probabilities for a classifier; NaN if it failed."""
    target: Strings
    """The label, as the model's classes spell it; anything if it is not known yet."""
    labelled: NDArray[np.bool_]
    entities: Strings | None = None
    """Whom each row is about: rows of one entity count as one observation. None: each row stands alone."""

    threshold: float | None = None
    """By which the version decides, if it has one of its own."""

    def matured(self) -> "Answers":
        """Keep the rows that have both a label and a prediction."""
        return self.take(self.labelled & answered(self.prediction))

    def take(self, rows: NDArray[np.bool_]) -> "Answers":
        """Keep *rows*."""
        entities = None if self.entities is None else self.entities[rows]
        return Answers(
            self.prediction[rows], self.target[rows], self.labelled[rows], entities, self.threshold
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """The rows of the whole rollout that both versions scored, whoever answered.

    A row on which one of them failed belongs here too, with NaN for its prediction: that is how the failures of the
    two are compared on the same rows.
    """

    champion: Floats
    """As `Answers.prediction`."""
    challenger: Floats
    target: Strings
    labelled: NDArray[np.bool_]
    entities: Strings | None = None
    thresholds: tuple[float | None, float | None] = (None, None)
    """By which champion and challenger decide, if they have one of their own."""

    def matured(self) -> tuple[Answers, Answers]:
        """Return champion and challenger on the rows that have a label and both predictions."""
        rows = self.labelled & answered(self.champion) & answered(self.challenger)
        old, new = self.thresholds
        champion = Answers(self.champion, self.target, self.labelled, self.entities, old).take(rows)
        return champion, replace(champion, prediction=self.challenger[rows], threshold=new)


@dataclass(frozen=True, slots=True)
class Evidence:
    """How both versions ran in this stage, and what both said to the same rows in the whole rollout."""

    champion: Arm
    challenger: Arm
    pairs: Pairs


def answered(prediction: Floats) -> NDArray[np.bool_]:
    """Return which rows of *prediction* are finite throughout."""
    total = prediction if prediction.ndim == 1 else prediction.sum(axis=1)
    return np.isfinite(total)
