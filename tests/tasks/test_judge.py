"""The verdict as a person reads it."""

from regrow.verdict import Finding, Verdict
from tasks.judge import to_markdown


def test_table_shows_each_gate():
    """Each gate is a row with figure, limit and interval; a refusal says so in the title."""
    finding = Finding(
        rule="gain | margin", passed=False, figure=0.01, limit=0.02, interval=(0.0, 0.02), rows=9
    )
    page = to_markdown(
        "tiny", Verdict(decision="promote", passed=False, reason="too little", findings=(finding,))
    )
    assert page.startswith("# tiny: refuse")
    assert "| gain / margin | **no** | 0.0100 | 0.0200 | 0.0000 to 0.0200 | 9 |" in page
