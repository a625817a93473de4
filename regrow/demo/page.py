"""Show the year: a table in the terminal, a picture, and one page that holds all of it."""

from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from regrow.demo.story import Month, Story

PICTURE, PAGE = "demo.png", "demo.html"
GREEN, GREY, RED, BLUE = "#1a7f4b", "#8a8f98", "#c0392b", "#2457a6"
HEADINGS = (
    "month", "rows", "drifted", "AUC", "never retrained", "alarm", "retraining", "live traffic",
)  # fmt: skip
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
)
SIGNS = {"promoted": "▲", "rolled back": "↩", "refused": "✕"}


def lines(month: Month) -> list[str]:
    """Return *month* in lines of the terminal: its rollouts, then the rest."""
    text = (
        f"[bold]{month.start:%B}[/bold]  {month.rows:,} rows, the last by v{month.version}, "
        f"{month.drifted} of {month.columns} columns drifted, AUC {month.served:.3f} "
        f"(never retrained {month.frozen:.3f})"
    )
    told = [
        f"[bold]{month.start:%B}[/bold]  live traffic: v{ending.version} {ending.outcome} after {ending.rows:,} rows"
        for ending in month.endings
    ]
    cause = "alarm" if month.alarm else _quiet(month)
    return [
        *told,
        f"{text}, {cause} → {verdict(month)}" if month.alarm or month.decision else f"{text}, {cause}",
    ]


def _quiet(month: Month) -> str:
    """Return what the monitor said of a *month* without an alarm, and what was due all the same."""
    seen = "drift, no harm" if month.drifted else "no alarm"
    return f"{seen}; by age" if month.decision else seen


def verdict(month: Month) -> str:
    """Return what became of *month*'s alarm, or of the champion's age."""
    if not month.decision:
        return "none"
    return f"v{month.challenger} {month.decision}" if month.challenger else month.decision


class Cells(NamedTuple):
    """What both tables show of a month, in the order of `HEADINGS`."""

    month: str
    rows: str
    drifted: str
    served: str
    frozen: str
    alarm: str
    fate: str
    endings: str


def cells(month: Month) -> Cells:
    """Return the table's cells of *month*."""
    return Cells(
        month=f"{month.start:%b}",
        rows=f"{month.rows:,}",
        drifted=f"{month.drifted}/{month.columns} ({month.share:.0%})",
        served=f"{month.served:.3f} (v{month.version})",
        frozen=f"{month.frozen:.3f}",
        alarm=month.failed or _quiet(month),
        fate=verdict(month),
        endings="; ".join(f"v{end.version} {end.outcome} after {end.rows:,} rows" for end in month.endings),
    )


def table(story: Story) -> Table:
    """Return the year as a table for the terminal."""
    shown = Table(
        title="A year in the life of `flights`", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for heading in HEADINGS:
        shown.add_column(heading.replace(" ", "\n"))
    for month in story.months:
        told = cells(month)
        fate = f"{told.fate}: {month.gist}" if month.decision else told.fate
        shown.add_row(*map(Text, told._replace(fate=fate)))
    return shown


def means(story: Story) -> tuple[float, float]:
    """Return the mean of the monthly AUC, served and never retrained."""
    count = len(story.months)
    return sum(m.served for m in story.months) / count, sum(m.frozen for m in story.months) / count


def summary(story: Story) -> str:
    """Return the year in two sentences."""
    served, frozen = means(story)
    count = counts(story)
    return (
        f"AUC over the year, mean of the months: served {served:.4f}, never retrained {frozen:.4f} "
        f"({served - frozen:+.4f}); all rows pooled: "
        f"{story.pooled_served:.4f} and {story.pooled_frozen:.4f}. "
        f"{count['promoted']} challengers promoted by live traffic, {count['rolled back']} rolled back by it, "
        f"{count['refused']} refused at the gates."
    )


def counts(story: Story) -> dict[str, int]:
    """Count what became of the challengers."""
    fates = [ending.outcome for month in story.months for ending in month.endings]
    fates += [month.decision for month in story.months]
    return {name: fates.count(name) for name in SIGNS}


def write(home: Path, story: Story) -> Path:
    """Write the picture and the page into *home*; return the path of the page."""
    draw(story).savefig(home / PICTURE, dpi=140, bbox_inches="tight")
    page = home / PAGE
    page.write_text(render(story), encoding="utf-8")
    return page


def draw(story: Story) -> Figure:
    """Draw AUC by month, served against never retrained, with promotions and refusals marked."""
    figure = Figure(figsize=(10, 4.6))
    axes = figure.subplots()
    names = [f"{month.start:%b}" for month in story.months]
    served = [month.served for month in story.months]
    frozen = [month.frozen for month in story.months]
    axes.fill_between(names, frozen, served, where=[a >= b for a, b in zip(served, frozen, strict=True)],
                      color=GREEN, alpha=0.12, interpolate=True)  # fmt: skip
    axes.plot(names, frozen, color=GREY, marker="o", linewidth=2, label="never retrained")
    axes.plot(names, served, color=BLUE, marker="o", linewidth=2.5, label="served by Regrow")
    low, high = min(served + frozen), max(served + frozen)
    base = low - 0.13 * (high - low)
    for place, month in enumerate(story.months):
        for row, (sign, version, good) in enumerate(marks(month)):
            axes.annotate(
                f"{sign} v{version}", (place, base - row * 0.09 * (high - low)), ha="center", fontsize=8.5,
                color=GREEN if good else RED,
            )  # fmt: skip
    axes.set_ylim(base - 0.2 * (high - low), high + 0.1 * (high - low))
    axes.set_ylabel("AUC on the month's flights")
    axes.set_title(
        "▲ promoted by live traffic   ↩ rolled back by live traffic   ✕ refused at the gates",
        loc="left",
        fontsize=11,
    )
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")
    return figure


def marks(month: Month) -> list[tuple[str, int | None, bool]]:
    """Return *month*'s signs in the picture, each with its version and whether it is good news."""
    fates = [(ending.outcome, ending.version) for ending in month.endings]
    fates += [("refused", month.challenger)] if month.decision == "refused" else []
    return [(SIGNS[fate], version, fate == "promoted") for fate, version in fates]


def render(story: Story) -> str:
    """Return the page; every value of the story is escaped in it."""
    served, frozen = means(story)
    count = counts(story)
    figures = (
        (f"{sum(month.rows for month in story.months):,}", "flights served over HTTP"),
        (f"{served:.4f}", "AUC served, mean of months"),
        (f"{frozen:.4f}", "AUC never retrained"),
        (str(sum(bool(month.alarm) for month in story.months)), "alarms"),
        (
            f"{count['promoted']} / {count['rolled back']} / {count['refused']}",
            "challengers promoted / rolled back / refused",
        ),
    )
    return TEMPLATES.get_template("page.html.j2").render(
        figures=figures,
        picture=PICTURE,
        summary=summary(story),
        headings=(*HEADINGS, "look"),
        rows=[(month, cells(month)) for month in story.months],
        first_version_reason=story.first_version_reason,
    )
