"""Reasons beside predictions: each row's by the version that answered it, few at a time, and an answer stays."""

import threading
import time

import pytest
from fitted_models import fitted, frame

from regrow.base.errors import InvalidRequest, NotExplained, Overloaded
from regrow.models.contract import Rows
from regrow.models.explaining.attributions import Explainer
from regrow.serving.predict.explanations import MOST_ROWS, MOST_WAITING, Explanations, explain_rows
from regrow.serving.predict.versions import ServedVersion

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


def serve(number: int, columns: tuple[str, ...]) -> ServedVersion:
    """Fit a linear version that takes *columns*, and knows its training rows."""
    model = fitted("sklearn.linear_model.Ridge", {}, 0, columns)
    version = ServedVersion(number, model, model.contract, 0.0, ())
    version.__dict__["explainer"] = Explainer(model, model.contract.read(frame()))
    return version


async def test_each_row_is_explained_by_the_version_that_answered_it():
    """Of two versions with different columns each tells its own, in the order of the rows, and all add up."""
    first, second = serve(1, ("distance", "hour", "wind")), serve(2, ("hour", "wind"))
    contract = first.contract
    plain = contract.plain(frame()[["distance", "hour", "wind"]].iloc[:4])
    rows: Rows = contract.check(plain, 4)
    told = explain_rows(rows, contract, [1, 2, 2, 1], {1: first, 2: second})
    assert [set(one["contributions"]) for one in told] == [
        {"distance", "hour", "wind"}, {"hour", "wind"}, {"hour", "wind"}, {"distance", "hour", "wind"},
    ]  # fmt: skip
    for place, version in enumerate((first, second, second, first)):
        answer = version.model.predict(frame().iloc[[place]])[0]
        assert told[place]["total"] == pytest.approx(answer)
        assert told[place]["base"] + sum(told[place]["contributions"].values()) == pytest.approx(answer)


async def test_too_many_rows_are_refused_before_they_are_predicted():
    """More rows than are explained at once are refused with the bound."""
    Explanations().admit(MOST_ROWS)
    with pytest.raises(InvalidRequest, match=f"at most {MOST_ROWS}"):
        Explanations().admit(MOST_ROWS + 1)


async def test_reasons_that_are_late_leave_the_prediction(anyio_backend: str):
    """After the bound the client is told that there are none; while many wait, further requests are refused."""
    release, explanations = threading.Event(), Explanations(seconds=0.05)

    def wait() -> list[dict[str, object]]:
        release.wait(10)
        return []

    for _ in range(MOST_WAITING):
        assert "no reasons within" in (await explanations.tell(wait))["explanation_problem"]
    with pytest.raises(Overloaded, match="wait for their reasons"):
        explanations.admit(1)
    release.set()
    explanations._seconds = 5.0
    assert await explanations.tell(lambda: [{"base": 1.0}]) == {"explanations": [{"base": 1.0}]}
    explanations.admit(1)
    explanations.stop()


@pytest.mark.parametrize(
    ("error", "said"), [(NotExplained("do not add up"), "do not add up"), (KeyError("x"), "failed: KeyError")]
)
async def test_reasons_that_fail_leave_the_prediction(error: Exception, said: str):
    """What does not add up, or fails in another way, is told beside the prediction."""

    def fail() -> list[dict[str, object]]:
        raise error

    began = time.monotonic()
    assert said in (await Explanations().tell(fail))["explanation_problem"]
    assert time.monotonic() - began < 5
