"""An override against what the gates measured."""

from typing import Any

from model_facts import NOWHERE, make_facts

from regrow.base.verdict import Finding, Verdict
from regrow.models.results import Candidate, Evaluation
from tasks.judge import remarks_of, waive

SHORT = Finding(rule="roc_auc at least 0.8", result="fail", detail="roc_auc is 0.7")
OPEN = Finding(rule="roc_auc at least 0.6 in every origin", result="undecided")
REFUSED = Verdict(decision="promote", result="fail", reason="too low", findings=(SHORT, OPEN))


def test_an_override_passes_and_names_what_it_waives():
    """Waived gates pass; the reason names each that did not pass, and their findings stand after the waiver."""
    waived = waive(REFUSED, "a drill")
    assert waived.passed
    assert waived.reason == f"gates waived: a drill (failed: {SHORT.rule}; undecided: {OPEN.rule})"
    assert waived.findings[1:] == (SHORT, OPEN)


def test_without_an_override_the_gates_decide():
    """No override leaves the verdict as it is."""
    assert waive(REFUSED, "") == REFUSED


def evaluation(judged: str = "", remark: str = "") -> Evaluation:
    """Measure a model that was judged itself, or as the model *judged*."""
    candidate = Candidate(model_id="m-2", run_id="r", recipe="0", facts=make_facts(0, 1, judged=judged))
    fields: dict[str, Any] = {
        "candidate": candidate, "champion_version": None, "rows": 90, "metrics": {}, "baseline": {}, "champion": None,
        "champion_remark": remark, "slices": (), "predictions": NOWHERE,
    }  # fmt: skip
    return Evaluation.model_validate(fields)


def test_figures_of_the_recipe_are_named_as_such():
    """A verdict on a model that was fitted again says of which model its figures are, and which champion it met."""
    assert remarks_of(evaluation()) == ()
    recipe, champion = remarks_of(evaluation("m-1", "its recipe was compared"))
    assert "models:/m-1, fitted without the holdout" in recipe.detail
    assert champion.detail == "its recipe was compared"
    assert recipe.passed
