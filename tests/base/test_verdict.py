"""What a verdict may say, what it keeps, and how a person reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from regrow.base.verdict import BY_URGENCY, RESULTS, Finding, Verdict, combine, to_markdown, write_units

MET = Finding(
    rule="a", result="pass", figure=0.7, limit=0.6, rows=900, units=18, unit="day", effective_rows=51.2
)
BROKEN = Finding(
    rule="gain | margin", result="fail", figure=0.01234567, interval=(0.0, 0.02), detail="x|y\nz"
)
OPEN = Finding(rule="c", result="undecided", figure=-0.0, rows=0, detail="0 of 500 labels")
VERDICT = Verdict(decision="promote", result="fail", reason="too little", findings=(MET, OPEN, BROKEN))

findings = st.lists(st.builds(Finding, rule=st.text(), result=st.sampled_from(RESULTS)), max_size=5)


def test_undecided_is_neither_pass_nor_fail():
    """Exactly one of the three properties is true of each result."""
    for finding, told in ((MET, "passed"), (BROKEN, "failed"), (OPEN, "undecided")):
        assert [name for name in ("passed", "failed", "undecided") if getattr(finding, name)] == [told]


@given(found=findings)
def test_one_failure_fails_and_one_undecided_leaves_it_open(found: list[Finding]):
    """All together pass only when each passes; what fails weighs more than what is open."""
    results = [finding.result for finding in found]
    assert (combine(found) == "pass") == all(result == "pass" for result in results)
    assert (combine(found) == "fail") == ("fail" in results)
    assert combine(reversed(found)) == combine(found)


@given(found=findings)
def test_counts_are_of_all_findings(found: list[Finding]):
    """Each result is counted, none left out, and the failures are those that failed."""
    verdict = Verdict(decision="monitor", result="pass", reason="", findings=tuple(found))
    assert set(verdict.counts) == set(BY_URGENCY) == set(RESULTS)
    assert sum(verdict.counts.values()) == len(found)
    assert len(verdict.failures) == verdict.counts["fail"]


@pytest.mark.parametrize(("passed", "result"), [("true", "pass"), ("false", "fail")])
def test_a_verdict_of_version_0_1_still_reads(passed: str, result: str):
    """`verdict.json` as Regrow 0.1 wrote it, with `passed` and no subject, is read."""
    text = (
        f'{{"decision": "rollout", "passed": {passed}, "reason": "r", "findings": [{{"rule": "a", "passed": '
        f'{passed}, "figure": 0.5, "limit": null, "interval": [0.1, 0.9], "confidence": 0.95, "rows": 7, '
        '"detail": "d"}], "outcome": "hold"}'
    )
    verdict = Verdict.model_validate_json(text)
    assert (verdict.result, verdict.findings[0].result) == (result, result)
    assert verdict.findings[0].interval == (0.1, 0.9)
    assert (verdict.findings[0].units, write_units(verdict.findings[0])) == (None, "")


def test_what_no_version_wrote_is_refused():
    """A result that is none, `passed` beside `result`, and an outcome of no rollout are errors."""
    for wrong in ({"result": "maybe"}, {"result": "pass", "passed": True}, {}):
        with pytest.raises(ValidationError):
            Finding.model_validate({"rule": "a", **wrong})
    with pytest.raises(ValidationError, match="only a rollout has an outcome"):
        Verdict(decision="promote", result="pass", reason="", outcome="hold")


def test_a_refusal_keeps_what_was_measured():
    """A verdict that cannot be carried out fails for that reason, which stands before what was measured."""
    passed = Verdict(decision="promote", result="pass", reason="fine", findings=(MET,))
    refused = passed.refused("put back", BROKEN, decision="deploy")
    assert (refused.decision, refused.result, refused.reason) == ("deploy", "fail", "put back")
    assert refused.findings == (BROKEN, MET)


def test_a_changed_verdict_is_still_checked():
    """A change that makes no valid verdict is an error, not a verdict that cannot be read back."""
    with pytest.raises(ValidationError):
        VERDICT.refused("no", outcome="hold")
    with pytest.raises(ValidationError):
        VERDICT.refused("no", decision="guess")


def test_a_page_shows_failures_first_and_each_cell_whole():
    """Title, result and reason lead; what failed comes first; bars and line breaks stay within their cell."""
    page = to_markdown("tiny: refuse", VERDICT, "Seen today.", "")
    assert page.startswith(
        "# tiny: refuse\n\n**fail**: too little\n\nSeen today.\n\nFindings: 1 pass, 1 fail, 1"
    )
    rows = page.splitlines()[-3:]
    assert rows[0] == r"| **fail** | gain \| margin | 0.01235 |  | 0 to 0.02 |  |  |  | x\|y z |"
    assert rows[1] == "| **undecided** | c | 0 |  |  | 0 |  |  | 0 of 500 labels |"
    assert rows[2] == "| pass | a | 0.7 | 0.6 |  | 900 | 18 days | 51 |  |"


def test_a_page_without_findings_has_no_table():
    """A verdict without findings is a title and a reason."""
    verdict = Verdict(decision="rollout", result="pass", reason="nothing open", outcome="hold")
    assert to_markdown("tiny", verdict) == "# tiny\n\n**pass**: nothing open\n"


def test_what_is_noted_is_no_failure_of_the_table() -> None:
    """A noted finding is shown with its result, not in bold, and one of a version before 0.4 reads without the word."""
    noted = Finding(rule="no column drifts", result="fail", noted=True, detail="d")
    page = to_markdown("t", Verdict(decision="monitor", result="pass", reason="r", findings=(noted,)))
    assert "| fail, noted | no column drifts" in page
    assert not Finding.model_validate({"rule": "r", "result": "fail"}).noted
