"""How far windows lie apart in the model's own past: what a drift must exceed, and how probable chance is.

A window is drawn from the reference by units (`data.unit`): of periods runs of neighbouring ones, as long as the blocks
of every interval here. The rest of the reference is what it is compared with. The counts of each unit and bin are made
once, so a drawn window is a sum of rows of counts, whatever the size of the log.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import chi2
from scipy.stats import f as fisher

from regrow.base.verdict import count_units
from regrow.decisions.context import LEAST_COVERED, Cells, Explained, given
from regrow.decisions.distances import Binned, Distances, distance
from regrow.decisions.drift import Move
from regrow.decisions.units import Units
from regrow.models.metrics import Codes, Floats
from regrow.project.monitoring import LEAST_UNITS, DriftMethod

DRAWS = 1_000
"""Windows that are drawn from the past. What they show is continued beyond them by a smooth tail."""
MOST_PIECES = 200
"""Units that are drawn apart; more are joined, periods with their neighbours, others at random."""
LARGEST = 10**9
SLICES = 10
"""Parts in which windows are compared given a context, whose cells take memory."""
LEAST_DRAWN = 100
"""Drawn windows from which they tell anything; if the past holds fewer of the served context, chance explains all."""


@dataclass(frozen=True)
class Pieces:
    """The units of the reference's rows, as they are drawn: a window is some of them, in runs of neighbours."""

    units: Units

    @cached_property
    def codes(self) -> tuple[Codes, int]:
        """The number of each row's piece, and how many pieces there are."""
        count, codes = self.units.count, self.units.codes
        if count <= MOST_PIECES:
            return codes, count
        if self.units.ordered:
            return codes * MOST_PIECES // count, MOST_PIECES
        return np.random.default_rng(0).permutation(count)[codes] % MOST_PIECES, MOST_PIECES

    @cached_property
    def run(self) -> int:
        """How many neighbouring pieces are drawn together."""
        return max(1, round(self.codes[1] ** (1 / 3))) if self.units.ordered else 1

    def draw(self, length: int) -> Floats:
        """Return the pieces, 1 or 0, of each of `DRAWS` windows of *length* units: whole runs, the last one in part."""
        random, pieces = np.random.default_rng(0), self.codes[1]
        taken = max(1, round(length * pieces / self.units.count))
        runs = (np.arange(pieces) + random.integers(self.run, size=(DRAWS, 1))) // self.run
        ranks = random.permuted(np.tile(np.arange(pieces // self.run + 2), (DRAWS, 1)), axis=1)
        order = np.argsort(np.take_along_axis(ranks, runs, axis=1), axis=1, kind="stable")
        chosen = np.zeros((DRAWS, pieces))
        np.put_along_axis(chosen, order[:, :taken], 1.0, axis=1)
        return chosen

    def count(self, binned: Binned) -> Floats:
        """Return the rows of each piece, cell of the context and bin, in the axes in this order."""
        (codes, count), bins = self.codes, binned.bins.count
        cells = binned.cells.count if binned.cells else 1
        places = codes * cells if binned.cells is None else codes * cells + binned.cells.reference
        found = np.bincount(places * bins + binned.reference, minlength=count * cells * bins)
        return found.reshape(count, cells, bins).astype(np.float64)

    def likeness(self, binned: Binned) -> float:
        """Return how alike the rows of one unit are (their intraclass correlation), by runs; 0 if nobody can tell."""
        if self.units.count < LEAST_UNITS:
            return 0.0
        counts = self.count(binned).sum(axis=1)
        blocks = np.add.reduceat(counts, np.arange(0, len(counts), self.run))
        rows, shares = counts.sum(), counts.sum(axis=0) / counts.sum()
        used = shares > 0
        if used.sum() < 2:
            return 0.0
        apart = (blocks - blocks.sum(axis=1, keepdims=True) * shares)[:, used] ** 2 / shares[used]
        effect = apart.sum() / (rows * (used.sum() - 1)) * len(blocks) / (len(blocks) - 1)
        return max(0.0, float((effect - 1) / max(rows / self.units.count - 1, 1)))


@dataclass(frozen=True)
class Past:
    """What the reference shows of windows as long as the one that is judged."""

    units: Units | None
    """Of the reference's rows; None if nobody knows them: then each row counts for itself."""
    window: Units | None

    @property
    def obstacle(self) -> str:
        """Why no windows can be drawn from the past; empty if they can."""
        if self.units is None or self.window is None:
            return "the units of the reference are not known"
        if self.units.count < LEAST_UNITS:
            return f"the reference has {self.units.named} of {LEAST_UNITS} that it takes"
        if 2 * self.window.count > self.units.count:
            return (
                f"a window of {self.window.named} is longer than half of the reference's {self.units.named}"
            )
        return ""

    @property
    def windows(self) -> tuple[Floats, Codes, int]:
        """The pieces, 1 or 0, of each drawn window, `(draws, pieces)`; the piece of each row; the number of pieces.

        Only if there is no `obstacle`.
        """
        assert self._chosen is not None and self._pieces is not None  # noqa: S101
        return self._chosen, *self._pieces.codes

    def freedom(self, cells: Cells | None = None) -> float:
        """Degrees of freedom of what drawn windows show of spread: the runs that they are drawn of, less one.

        Given *cells* of a context the runs are those that the rows of such cells are worth.
        """
        assert self._pieces is not None  # noqa: S101
        pieces = self._pieces.codes[1] if cells is None else self._worth(cells)
        return max(1, pieces // self._pieces.run - 1)

    def explained(self, distances: Distances) -> Explained | None:
        """Return what the context of *distances* explains, if the past knows enough of it; None without one."""
        found, cells = distances.explained, distances.cells
        if found is None or cells is None or self.units is None:
            return found
        units = round(self._worth(cells) * self.units.count / Pieces(self.units).codes[1])
        few = f"{count_units(units, self.units.unit)} of {LEAST_UNITS} that it takes"
        return replace(found, few=few if units < LEAST_UNITS else "")

    def _worth(self, cells: Cells) -> float:
        """Return how many pieces of equal weight the reference is worth given *cells* (Kish 1965)."""
        assert self._pieces is not None  # noqa: S101
        codes, count = self._pieces.codes
        sums = np.bincount(codes, cells.weights, minlength=count)
        return float(sums.sum() ** 2 / max(float(np.sum(sums**2)), np.finfo(float).tiny))

    def doubt(self, binned: Binned, figure: float, method: DriftMethod) -> float:
        """Return how probable a distance of *figure* or more is by chance, for a column that is *binned* so.

        From drawn windows: the larger of their share that lies as far, and the tail of Fisher's F that has their mean
        and spread (the second-order correction of Rao and Scott 1984, by drawing). Without them it is the tail of
        (1/n + 1/m) times chi-squared (Yurdakul 2018) with the rows that n and m are worth, which is a floor: it knows
        of no difference between one season and the next.
        """
        if self._chosen is None or self._pieces is None:
            return self._floor(binned, figure, method)
        counts = self._pieces.count(binned)
        slices = np.array_split(self._chosen, SLICES if binned.cells else 1)
        drawn = np.concatenate([self._drawn(part, counts, binned, method) for part in slices])
        if len(drawn) < LEAST_DRAWN:
            return 1.0
        found, drawn = _squared(np.array(figure), method), _squared(drawn, method)
        mean, variance = float(drawn.mean()), float(drawn.var(ddof=1))
        if not variance:
            return float(found <= mean)
        parts = 2 * mean**2 / variance
        tail = fisher.sf(found / mean, parts, parts * self.freedom(binned.cells))
        return max(float(tail), float(np.mean(drawn >= found)))

    @staticmethod
    def _drawn(chosen: Floats, counts: Floats, binned: Binned, method: DriftMethod) -> Floats:
        """Return how far the *chosen* windows lie from the rest of the reference, by its *counts*; see `Pieces.count`.

        Given a context each is compared as the served window is, its cells with the served rows' weights. A window that
        lacks most of them tells nothing, and is left out.
        """
        flat = counts.reshape(len(counts), -1)
        inside = chosen @ flat
        rest, thinned = (
            side.reshape(len(chosen), *counts.shape[1:])
            for side in (flat.sum(axis=0) - inside, _thinned(inside, len(binned.window)))
        )
        if binned.cells is None:
            return distance(rest[:, 0], thinned[:, 0], method)
        compared = given(rest, thinned, binned.cells.served)
        return distance(compared.expected, compared.found, method)[compared.covered >= LEAST_COVERED]

    @cached_property
    def _pieces(self) -> Pieces | None:
        return None if self.units is None else Pieces(self.units)

    @cached_property
    def _chosen(self) -> Floats | None:
        """Return the windows that are drawn, the same for each column; None if none can be."""
        return (
            None
            if self.obstacle or self._pieces is None or self.window is None
            else self._pieces.draw(self.window.count)
        )

    def _floor(self, binned: Binned, figure: float, method: DriftMethod) -> float:
        """Return the tail of the floor beyond *figure*.

        Given a context each side is worth fewer rows: a cell counts by the served rows in it, however few there are in
        the reference.
        """
        reference, window = binned.counts()
        alike = self._pieces.likeness(binned) if self._pieces else 0.0
        scale = 0.0
        for rows, units, worth in zip(
            (len(binned.reference), len(binned.window)),
            (self.units, self.window),
            binned.worth(),
            strict=True,
        ):
            each = 1 + max(rows / max(units.count if units else rows, 1) - 1, 0) * alike
            scale += each / max(worth, 1)
        freedom = max(int(np.count_nonzero(reference + window)) - 1, 1)
        # Near 0 the Jensen-Shannon divergence is an eighth of PSI.
        as_psi = _squared(np.array(figure), method) * (1 if method == "psi" else 8)
        return float(chi2.sf(as_psi / scale, freedom))


def move_of(distances: Distances, past: Past, name: str) -> Move:
    """Return how far column *name* lies, and if that matters how probable it is by chance, by the *past*."""
    figure, limit = distances.values[name], distances.thresholds[name]
    if figure < limit:
        return Move(figure, limit)
    return Move(figure, limit, past.doubt(distances.columns[name], figure, distances.method))


def _squared(figure: Floats, method: DriftMethod) -> Floats:
    """Return what grows as a quadratic form does, as chi-squared: PSI itself, the square of Jensen-Shannon's."""
    return figure if method == "psi" else figure**2


def _thinned(counts: Floats, rows: int) -> Floats:
    """Return *counts*, a drawn window a row, as uncertain as those of *rows* rows, if they are of more.

    What is drawn from a sample of K rows anew adds to its variance 1/K: so many rows are drawn that both make 1/rows.
    """
    of = counts.sum(axis=1, keepdims=True)
    more = np.minimum(1 / np.maximum(1 / rows - 1 / np.maximum(of, 1), 1 / LARGEST), LARGEST)
    drawn = np.random.default_rng(0).multinomial(more[:, 0].astype(np.int64), counts / np.maximum(of, 1))
    return np.where(of > rows, drawn * (rows / more), counts)
