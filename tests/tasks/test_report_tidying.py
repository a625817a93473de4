"""One table of what was removed."""

from regrow.models.results import Removed
from tasks.report_tidying import render_tidying, rows_of

REMOVED = (
    Removed(kind="runs", of="m", count=1200, bytes=5_000_000),
    Removed(kind="reports", of="m", count=0, bytes=0),
    Removed(kind="results", of="", count=3, bytes=10),
)


def test_each_kind_has_a_row_and_the_sum_one() -> None:
    """What nothing was removed of is left out."""
    assert rows_of(REMOVED) == [
        ("runs", "m", "1,200", "5,000,000"), ("results", "all", "3", "10"), ("sum", "", "1,203", "5,000,010"),
    ]  # fmt: skip
    assert rows_of(()) == [("sum", "", "0", "0")]


def test_a_dry_run_says_that_it_is_one() -> None:
    """Nobody takes it for done."""
    assert render_tidying(REMOVED, dry_run=True).startswith("## Would be removed")
    assert "|runs|m|1,200|5,000,000|" in render_tidying(REMOVED, dry_run=False)
