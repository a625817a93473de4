"""Whether predictions still come from the same columns: the order of the columns by what they add to predictions."""

from dataclasses import dataclass

import numpy as np

from regrow.base.verdict import Finding, pass_if
from regrow.decisions.units import Units, unit_fields
from regrow.models.metrics import Floats
from regrow.project.monitoring import LEAST_UNITS, AttributionRule

DRAWS = 1_000
"""Divisions of the units into two sides, from which chance is known."""
NAMED = 3


@dataclass(frozen=True)
class Reordered:
    """How alike the order of the columns is, and the columns whose share in the predictions changed most."""

    likeness: float
    """From 0 to 1, the normalised discounted cumulative gain; 1 if the order is the same."""
    doubt: float
    """How probable such a likeness or less is by chance, if nothing has changed."""
    shares: dict[str, tuple[float, float]]
    """Of the columns that changed most: their share of all contributions in the reference, and in the window."""


def likeness(reference: Floats, window: Floats) -> Floats:
    """Return how alike two orders of columns are, whose mean contributions stand in the last axis.

    The columns in the window's order, each worth its contribution in the reference, discounted by the logarithm of its
    place, over the same in the reference's own order (the normalised discounted cumulative gain of Järvelin and
    Kekäläinen 2002, which Amazon SageMaker Clarify takes for drift of attributions, with 0.9 as its limit).
    """
    discount = 1 / np.log2(np.arange(reference.shape[-1]) + 2)
    order = np.argsort(-window, axis=-1, kind="stable")
    best = np.sum(-np.sort(-reference, axis=-1) * discount, axis=-1)
    found = np.sum(np.take_along_axis(reference, order, axis=-1) * discount, axis=-1)
    return np.divide(found, best, out=np.ones_like(found), where=best > 0)


def compare_attributions(
    columns: list[str], reference: Floats, window: Floats, units: Units, served: Units
) -> Reordered | str:
    """Compare absolute contributions `(rows, columns)` of two sides, whose rows are of these *units* and *served* ones.

    Chance is known by dividing the units, neighbouring periods together, anew between the two sides. In words what is
    missing if there are too few.
    """
    few = [side.named for side in (units, served) if side.count < LEAST_UNITS]
    if few:
        return f"{few[0]} of {LEAST_UNITS} that it takes"
    sums, rows, first = _by_block(reference, units, window, served)
    found = likeness(reference.mean(axis=0), window.mean(axis=0))
    random = np.random.default_rng(0)
    divided = random.permuted(np.tile(np.arange(len(rows)) < first, (DRAWS, 1)), axis=1).astype(np.float64)
    sides = [(part @ sums) / np.maximum(part @ rows, 1)[:, None] for part in (divided, 1 - divided)]
    as_far = np.count_nonzero(likeness(*sides) <= found)
    shares = [side.mean(axis=0) / max(float(side.mean(axis=0).sum()), 1e-300) for side in (reference, window)]
    farthest = np.argsort(-np.abs(shares[1] - shares[0]), kind="stable")[:NAMED]
    told = {columns[place]: (float(shares[0][place]), float(shares[1][place])) for place in farthest}
    return Reordered(float(found), (1 + as_far) / (1 + DRAWS), told)


def judge_attributions(
    found: Reordered | str, level: float, rows: int, rule: AttributionRule, units: Units | None = None
) -> Finding:
    """Judge the order of the columns over *rows* explained rows, of these *units*; it is told, and alarms nobody."""
    figure = None
    if isinstance(found, str):
        result, detail = "undecided", found
    elif level < 1 / (1 + DRAWS):
        result, detail = "undecided", f"{DRAWS} divisions of the units cannot prove a level of {level:.5f}"
    else:
        figure, result = found.likeness, pass_if(found.likeness >= rule.least or found.doubt > level)
        moved = ", ".join(f"{name} {was:.0%}, now {now:.0%}" for name, (was, now) in found.shares.items())
        detail = f"NDCG of the order of the columns {figure:.2f}" + (f": {moved}" if result == "fail" else "")
    return Finding(
        rule=f"predictions come from the same columns: NDCG at least {rule.least:g}",
        subject="drift",
        result=result,
        figure=figure,
        limit=rule.least,
        rows=rows,
        noted=True,
        detail=detail,
        **unit_fields(units),
    )


def _by_block(reference: Floats, units: Units, window: Floats, served: Units) -> tuple[Floats, Floats, int]:
    """Return the sums of each block's rows, how many these are, and the number of blocks of the reference.

    Blocks of periods are equally long on both sides, as long as those of the longer one.
    """
    longest = max(side.count / side.blocks().count for side in (units, served))
    blocks = [side.blocks(longest) for side in (units, served)]
    sums = [np.zeros((each.count, reference.shape[1])) for each in blocks]
    for total, each, side in zip(sums, blocks, (reference, window), strict=True):
        np.add.at(total, each.codes, side)
    rows = np.concatenate([each.sizes for each in blocks]).astype(np.float64)
    return np.concatenate(sums), rows, blocks[0].count
