"""The page of all keys and settings."""

from pathlib import Path

from regrow.base.settings import Settings
from regrow.project.reference import write_reference

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def test_the_page_is_what_the_types_say() -> None:
    """`docs/reference.md` is up to date: after a change of a key or a setting, `make schema` writes it."""
    assert PAGE.read_text(encoding="utf-8") == write_reference()


def test_each_setting_stands_on_it() -> None:
    """Every setting has its line with its default; one that follows the machine says so."""
    page = write_reference()
    for name in Settings.model_fields:
        assert f"| `REGROW_{name.upper()}` |" in page
    assert "| `REGROW_RUNS_AT_ONCE` | whole number | `by the machine` |" in page


def test_a_line_tells_value_default_and_meaning() -> None:
    """Durations are written as a file writes them, kinds link to their section, what must be there says so."""
    page = write_reference()
    assert "| `label_delay` | duration | `0s` | How long after the event the target is known |" in page
    assert "| `name` | text | required |" in page
    assert "[CsvSource](#csvsource)" in page
    assert "### CsvSource" in page
    assert "| `weights` | list of number | `[0.05, 0.25, 0.5]` |" in page
