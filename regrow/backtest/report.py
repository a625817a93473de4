"""A backtest as people and programs read it: a table, a picture, and one page that holds all of it."""

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from regrow.backtest.advice import Advice
from regrow.backtest.figures import ORACLE, Difference, Reached, Scale, compare
from regrow.project import Project
from regrow.project.fields import format_duration

HEADINGS = (
    "policy", "metric", "better than the file by (95 %)", "regret", "trainings", "promoted", "alarms", "CPU s", "asks",
)  # fmt: skip
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
)
NOTES = (
    "The oracle takes for each span the model that is best on it, of all that were trained by then: nobody can, and "
    "the regret is what is missing to it.",
    "Rollouts are not replayed: a challenger that passes its gates serves from that look on. Broken data, latency and "
    "size are not replayed either.",
    "The first model serves whatever its gates say. Figures are the mean over the spans between two looks, of all "
    "starts and seeds; trainings, promotions, alarms and CPU seconds are means of one start, the first training is "
    "counted in the seconds alone.",
    "Intervals count blocks of units, no shorter than a span, over all starts together: they speak for days like those "
    "that were replayed, not for a season that was not.",
)


@dataclass(frozen=True)
class Backtest:
    """All that a backtest came to."""

    project: Project
    start: datetime
    end: datetime
    offsets: int
    seeds: int
    share: float
    rows: int
    trained: int
    """Different trainings, of all policies, starts and seeds."""
    scale: Scale
    reached: Sequence[Reached]
    advice: Advice

    @property
    def file(self) -> Reached:
        """What the file's own policy reached."""
        return next(each for each in self.reached if each.policy and each.policy.is_the_files)

    @property
    def oracle(self) -> Reached:
        """What could have been reached with the same models."""
        return next(each for each in self.reached if each.name == ORACLE)

    @property
    def lead(self) -> str:
        """What was replayed, in a sentence."""
        sampled = "" if self.share >= 1 else f", a sample of {self.share:.0%} of each day's rows"
        starts, seeds = _many(self.offsets, "start"), _many(self.seeds, "seed")
        return (
            f"{self.rows:,} rows{sampled}, replayed from {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d} with a look "
            f"every {format_duration(self.scale.every)}, {starts} and {seeds}; {self.trained} models trained."
        )


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def cells(told: Backtest, one: Reached) -> tuple[str, ...]:
    """Return the cells of *one* policy, in the order of `HEADINGS`."""
    regret = compare(told.oracle, one, told.scale).gain
    gain = "" if one is told.file else compare(one, told.file, told.scale).words
    if one.name == ORACLE:
        return (one.name, f"{one.figure:.4f}", gain, "", "", "", "", "", "")
    return (
        one.name, f"{one.figure:.4f}", gain, f"{regret:.4f}", f"{one.trainings:.1f}", f"{one.promotions:.1f}",
        f"{one.alarms:.1f}", f"{one.seconds:.1f}", f"{one.asked:.0%}" if one.asked else "",
    )  # fmt: skip


def pairs(told: Backtest) -> list[Difference]:
    """Return the difference of each two policies."""
    asked = [each for each in told.reached if each.name != ORACLE]
    return [compare(one, other, told.scale) for one, other in combinations(asked, 2)]


def draw(told: Backtest) -> Figure:
    """Draw the metric from look to look, of the first start and seed."""
    figure = Figure(figsize=(10, 4.8))
    axes = figure.subplots()
    for each in told.reached:
        moments = [span.start + (span.end - span.start) / 2 for span, _ in each.by_span]
        oracle, own = each.name == ORACLE, each is told.file
        axes.plot(
            moments, [value for _, value in each.by_span],  # pyright: ignore[reportArgumentType] (dates are drawn)
            label=f"{each.name} {each.figure:.4f}", marker="." if oracle else "o",
            linestyle=":" if oracle else "-", color="#8a8f98" if oracle else None, linewidth=2.8 if own else 1.4,
            zorder=3 if own else 2,
        )  # fmt: skip
    axes.set_ylabel(f"{told.scale.metric} from look to look")
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, title="policy, and its mean over all starts", loc="center left",
                bbox_to_anchor=(1.0, 0.5))  # fmt: skip
    return figure


def render(told: Backtest) -> str:
    """Return the page; every value is escaped in it, and the picture stands in it."""
    stream = io.BytesIO()
    draw(told).savefig(stream, dpi=130, bbox_inches="tight", format="png")
    return TEMPLATES.get_template("page.html.j2").render(
        name=told.project.name,
        lead=told.lead,
        metric=told.scale.metric,
        picture=base64.b64encode(stream.getvalue()).decode(),
        headings=HEADINGS,
        rows=[cells(told, each) for each in told.reached],
        advice=told.advice,
        pairs=pairs(told),
        notes=NOTES,
    )


def to_json(told: Backtest) -> dict[str, Any]:
    """Return *told* as plain values."""
    return {
        "model": told.project.name,
        "metric": told.scale.metric,
        "start": told.start.isoformat(),
        "end": told.end.isoformat(),
        "every": format_duration(told.scale.every),
        "offsets": told.offsets,
        "seeds": told.seeds,
        "sample": told.share,
        "rows": told.rows,
        "trained": told.trained,
        "policies": [_plain(told, each) for each in told.reached],
        "differences": [asdict(each) | {"distinguishable": each.told} for each in pairs(told)],
        "recommended": asdict(told.advice),
    }


def _plain(told: Backtest, one: Reached) -> dict[str, Any]:
    """Return what *one* policy reached."""
    against = compare(one, told.file, told.scale)
    return {
        "policy": one.name,
        "figure": one.figure,
        "gain": against.gain,
        "interval": against.interval,
        "distinguishable": against.told,
        "regret": compare(told.oracle, one, told.scale).gain,
        "trainings": one.trainings,
        "promotions": one.promotions,
        "alarms": one.alarms,
        "seconds": one.seconds,
        "asked_a_person": one.asked,
        "problems": one.problems,
        "over_time": [
            {"start": span.start.isoformat(), "end": span.end.isoformat(), "figure": value}
            for span, value in one.by_span
        ],
    }
