"""The page and the table of the replayed year."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from rich.console import Console

from regrow.demo import page
from regrow.demo.story import Ending, Month, Story

HOSTILE = "<script>alert('[bold]')</script> & more"
MONTH = Month(
    start=datetime(2013, 5, 1, tzinfo=UTC),
    rows=28783,
    version=2,
    drifted=5,
    columns=20,
    share=0.25,
    served=0.73,
    frozen=0.723,
    alarm=HOSTILE,
    failed="drift",
    decision="rolling out",
    challenger=3,
    reason=HOSTILE,
    gist="+0.033 (≥ +0.028)",
    endings=(Ending(version=2, outcome="promoted", rows=8450, reason="better"),),
    links={"monitor": "http://127.0.0.1/#/runs?a=1&b='2'", "report": ""},
)
QUIET = MONTH.model_copy(
    update={
        "start": datetime(2013, 6, 1, tzinfo=UTC),
        "alarm": "",
        "failed": "",
        "decision": "",
        "endings": (),
        "links": {},
    }
)
STORY = Story(
    started=MONTH.start,
    first_version_reason="good",
    months=(MONTH, QUIET),
    pooled_served=0.69,
    pooled_frozen=0.68,
)


class Cells(HTMLParser):
    """Collects the tags, the links and the texts of the table's rows."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_the_page_shows_each_month_and_escapes_every_value(tmp_path: Path) -> None:
    """A row per month under its headings; a value that looks like markup is text, a link is whole."""
    read = Cells()
    read.feed(page.write(tmp_path, STORY).read_text(encoding="utf-8"))
    assert "script" not in read.tags
    headings, may, june = ([" ".join(cell.split()) for cell in row] for row in read.rows)
    assert headings[:3] == ["month", "rows", "drifted"]
    assert len(may) == len(june) == len(headings)
    assert may[:5] == ["May", "28,783", "5/20 (25%)", "0.730 (v2)", "0.723"]
    assert may[5] == f"drift{HOSTILE}"
    assert may[6] == f"v3 rolling out {HOSTILE}"
    assert may[7] == "v2 promoted after 8,450 rows: better"
    assert june[5:8] == ["drift, no harm", "none", ""]
    assert read.links == [MONTH.links["monitor"]]
    assert (tmp_path / page.PICTURE).stat().st_size > 1000


def test_the_terminal_shows_the_deciding_figure() -> None:
    """The table in the terminal names the challenger, what became of it, and the figure that decided."""
    console = Console(width=200)
    with console.capture() as shown:
        console.print(page.table(STORY))
    assert "v3 rolling out: +0.033 (≥ +0.028)" in shown.get()
    assert "v2 promoted after 8,450 rows" in shown.get()


def test_a_training_by_age_is_told_as_one() -> None:
    """A month without an alarm whose champion was old has a challenger, and both the line and the cell say why."""
    old = QUIET.model_copy(update={"decision": "refused", "challenger": 4})
    assert page.lines(old)[-1].endswith("drift, no harm; by age → v4 refused")
    assert page.cells(old).alarm == "drift, no harm; by age"
    assert page.lines(QUIET)[-1].endswith(", drift, no harm")
    assert page.cells(QUIET.model_copy(update={"drifted": 0})).alarm == "no alarm"
