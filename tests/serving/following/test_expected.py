"""What the registry says, read from aliases and tags as MLflow returns them."""

from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST

from regrow.project import Canary
from regrow.registry.state import Rollout, State
from regrow.serving.following.expected import Expected, RegistryReader, read_expected
from regrow.serving.predict.versions import ServedVersion, TrafficSplit

PLAN = Canary(kind="canary", weights=(0.1, 0.5), mirror=0.25)
ROLLOUT = Rollout(id="v4-a", plan=PLAN, stage=1, since="2013-05-01T00:00Z", began="2013-05-01T00:00Z")
ROLLING = State(champion=3, challenger=4, rollout=ROLLOUT, move=7)


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


def model(champion=3, state=ROLLING, name="demo"):
    aliases = {} if champion is None else {"champion": str(champion)}
    text = state.model_dump_json() if isinstance(state, State) else state
    return SimpleNamespace(name=name, aliases=aliases, tags={} if text is None else {"regrow.state": text})


def served(number):
    return ServedVersion(number, SimpleNamespace(), SimpleNamespace(), 0.0, ())


def test_a_state_is_followed_only_with_its_own_champion():
    """The alias says who answers; a state about another champion is of a moment ago, and splits nothing."""
    same, other = read_expected(model()), read_expected(model(champion=5))
    assert (same.champion, same.settled, same.challenger) == (3, ROLLING, 4)
    assert (other.champion, other.settled, other.challenger) == (5, None, None)
    assert other.split(served(5), None).move is None


def test_without_a_state_there_is_no_rollout():
    """A model that was never moved by Regrow is served as its alias says; one without a champion is not served."""
    assert read_expected(model(state=None)) == Expected(3)
    assert read_expected(model(champion=None)) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "regrow.state cannot be read"),
        (ROLLING.model_dump_json().replace('"stage":1', '"stage":2'), "the plan has no stage 2"),
        (ROLLING.model_dump_json().replace('"stage":1', '"stage":-1'), "the plan has no stage -1"),
    ],
)
def test_a_state_that_cannot_be_followed_is_a_problem(text, said):
    """A damaged state, or one with a stage that its plan lacks, leaves the champion alone and says why."""
    expected = read_expected(model(state=text))
    assert (expected.champion, expected.state) == (3, None)
    assert said in expected.problem


def test_the_split_is_that_of_the_stage():
    """Weight, mirror and names come from the rollout; a challenger not in memory is named, and answers nothing."""
    champion, challenger = served(3), served(4)
    shared = {"move": 7, "rollout": "v4-a", "stage": 1, "weight": 0.5, "mirror": 0.25, "contender": 4}
    expected = Expected(3, ROLLING)
    assert expected.split(champion, challenger) == TrafficSplit(champion, **shared, challenger=challenger)
    assert expected.split(champion, None) == TrafficSplit(champion, **shared)
    alone = Expected(3, State(champion=3, move=8))
    assert alone.split(champion, challenger) == TrafficSplit(champion, 8)


class Client:
    """An MLflow client of a few models, two to a page; what is asked for by name may fail."""

    def __init__(self, models, failure=INVALID_PARAMETER_VALUE):
        self.models, self.failure = models, failure

    def search_registered_models(self, max_results, page_token):
        start = int(page_token or 0)
        page = Page(self.models[start : start + 2])
        page.token = str(start + 2) if start + 2 < len(self.models) else ""
        return page

    def get_registered_model(self, name):
        found = [each for each in self.models if each.name == name]
        if not found:
            raise MlflowException("not there", self.failure)
        return found[0]


class Page(list):
    """A page of results as MLflow returns it: a list with a token."""


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_without_names_every_model_is_read(count):
    """All pages are read, and a model without a champion is left out."""
    models = [model(name=f"m{index}", champion=None if index == 1 else 3) for index in range(count)]
    read = RegistryReader(Client(models), ()).read()
    assert sorted(read) == [f"m{index}" for index in range(count) if index != 1]


@pytest.mark.parametrize("code", [RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE])
def test_a_model_that_does_not_exist_yet_is_left_out(code):
    """A name may be given before its model is trained; the others are read all the same."""
    reader = RegistryReader(Client([model(name="there")], code), ("there", "later"))
    assert list(reader.read()) == ["there"]


def test_a_registry_that_fails_is_no_absent_model():
    """Every other error is passed on: a model must not disappear because the registry has trouble."""
    with pytest.raises(MlflowException):
        RegistryReader(Client([], INTERNAL_ERROR), ("demo",)).read()
