"""Show the year: a table in the terminal, a picture, and one page that holds all of it."""

import html
from pathlib import Path

from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from regrow.demo.story import Month, Story

PICTURE, PAGE = "demo.png", "demo.html"
GREEN, GREY, RED, BLUE = "#1a7f4b", "#8a8f98", "#c0392b", "#2457a6"
HEADINGS = (
    "month", "rows", "drifted", "AUC", "never retrained", "alarm", "retraining", "live traffic",
)  # fmt: skip
SIGNS = {"promoted": "▲", "rolled back": "↩", "refused": "✕"}
STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.55 system-ui, sans-serif; color: #1d2228 }
body { margin: 2.5rem auto; max-width: 1080px; padding: 0 1.2rem }
h1 { font-size: 1.7rem; margin: 0 } .lead { color: #555; margin: .2rem 0 1.6rem }
.figures { display: flex; gap: 1rem; flex-wrap: wrap; margin: 1.2rem 0 }
.figures div { border: 1px solid #e2e5e9; border-radius: 10px; padding: .7rem 1rem }
.figures b { display: block; font-size: 1.5rem } .figures span { color: #667; font-size: .85rem }
img { width: 100%; border: 1px solid #e2e5e9; border-radius: 10px }
table { border-collapse: collapse; width: 100%; margin-top: 1.6rem; font-size: .9rem }
th { text-align: left; color: #667; font-weight: 600; border-bottom: 2px solid #d5d9de; padding: .4rem .5rem }
td { border-bottom: 1px solid #eceff2; padding: .5rem; vertical-align: top }
td.n { text-align: right; white-space: nowrap }
.promoted, .out { color: #1a7f4b; font-weight: 600 }
.refused, .declined, .back, .person { color: #c0392b; font-weight: 600 }
small { color: #667; display: block } a { color: #2457a6; margin-right: .6rem; white-space: nowrap }
"""


def lines(month: Month) -> list[str]:
    """Tell *month* in lines of the terminal: its rollouts, then the rest."""
    text = (
        f"[bold]{month.start:%B}[/bold]  {month.rows:,} rows, the last by v{month.version}, "
        f"{month.drifted} of {month.columns} columns drifted, AUC {month.served:.3f} "
        f"(never retrained {month.frozen:.3f})"
    )
    told = [
        f"[bold]{month.start:%B}[/bold]  live traffic: v{ending.version} {ending.outcome} after {ending.rows:,} rows"
        for ending in month.endings
    ]
    return [*told, f"{text}, alarm → {verdict(month)}" if month.alarm else f"{text}, no alarm"]


def verdict(month: Month) -> str:
    """Say what became of *month*'s alarm."""
    if not month.decision:
        return "none"
    return f"v{month.challenger} {month.decision}" if month.challenger else month.decision


def cells(month: Month) -> tuple[str, ...]:
    """Give the table's cells of *month*."""
    return (
        f"{month.start:%b}",
        f"{month.rows:,}",
        f"{month.drifted}/{month.columns} ({month.share:.0%})",
        f"{month.served:.3f} (v{month.version})",
        f"{month.frozen:.3f}",
        month.failed or "none",
        f"{verdict(month)}: {month.gist}" if month.decision else "none",
        "; ".join(f"v{end.version} {end.outcome} after {end.rows:,} rows" for end in month.endings),
    )


def table(story: Story) -> Table:
    """Give the year as a table for the terminal."""
    shown = Table(
        title="A year in the life of `flights`", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for heading in HEADINGS:
        shown.add_column(heading.replace(" ", "\n"))
    for month in story.months:
        shown.add_row(*cells(month))
    return shown


def means(story: Story) -> tuple[float, float]:
    """Give the mean of the monthly AUC, served and never retrained."""
    count = len(story.months)
    return sum(m.served for m in story.months) / count, sum(m.frozen for m in story.months) / count


def summary(story: Story) -> str:
    """Sum the year up."""
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
    """Write the picture and the page into *home*; give the page's place."""
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
    """Give *month*'s signs in the picture, each with its version and whether it is good news."""
    fates = [(ending.outcome, ending.version) for ending in month.endings]
    fates += [("refused", month.challenger)] if month.decision == "refused" else []
    return [(SIGNS[fate], version, fate == "promoted") for fate, version in fates]


def render(story: Story) -> str:
    """Write the page."""
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
    boxes = "".join(f"<div><b>{value}</b><span>{html.escape(name)}</span></div>" for value, name in figures)
    rows = "".join(_row(month) for month in story.months)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in (*HEADINGS, "look"))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>A year in the life of flights</title>"
        f"<style>{STYLE}</style><h1>A year in the life of <code>flights</code></h1>"
        "<p class=lead>Will a flight from New York arrive more than 15 minutes late? "
        "Trained on January to March 2013, then served, watched and retrained through December. "
        "Links to MLflow need <code>regrow up</code>.</p>"
        f"<div class=figures>{boxes}</div><img src={PICTURE} alt='AUC by month'>"
        f"<p>{html.escape(summary(story))}</p>"
        f"<table><tr>{head}</tr>{rows}</table>"
        f"<p><small>Version 1: {html.escape(story.first_version_reason)}</small></p></html>"
    )


def _row(month: Month) -> str:
    """Write the page's table row of *month*."""
    texts = [html.escape(text) for text in cells(month)]
    texts[5] = f"{texts[5]}<small>{html.escape(month.alarm)}</small>"
    if month.decision:
        outcome = f"<span class={month.decision.split()[-1]}>{html.escape(verdict(month))}</span>"
        texts[6] = f"{outcome}<small>{html.escape(month.reason)}</small>"
    texts[7] = "".join(
        f"<span class={end.outcome.split()[-1]}>v{end.version} {end.outcome}</span>"
        f"<small>after {end.rows:,} rows: {html.escape(end.reason)}</small>"
        for end in month.endings
    )
    links = "".join(
        f"<a href='{html.escape(link)}'>{html.escape(name)}</a>" for name, link in month.links.items() if link
    )
    body = "".join(
        f"<td{' class=n' if 0 < place < 5 else ''}>{text}</td>" for place, text in enumerate(texts)
    )
    return f"<tr>{body}<td>{links}</td></tr>"
