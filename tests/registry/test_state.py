"""What is true of a model: the stage of its rollout, and that nothing of it is lost in the registry."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from regrow.project import Canary
from regrow.registry.state import Rollout, State

AT = datetime(2024, 3, 1, tzinfo=UTC)


@st.composite
def states(draw: st.DrawFn) -> State:
    """Draw the state of a model during a rollout."""
    weights = tuple(sorted(draw(st.sets(st.floats(0.01, 0.99), min_size=1, max_size=4))))
    plan = Canary(kind="canary", weights=weights, shadow_rows=draw(st.sampled_from([0, 100])))
    stage = draw(st.integers(0, len(plan.stages) - 1))
    paused = draw(st.booleans())
    rollout = Rollout(id="v4-a", plan=plan, stage=stage, since=AT, began=AT, paused=paused)
    return State(champion=3, challenger=4, rollout=rollout, move=draw(st.integers(1)))


@given(states())
def test_a_state_comes_back_from_the_registry_as_it_was(state: State) -> None:
    """What is written as text is read as the same state, plan and all."""
    assert State.model_validate_json(state.model_dump_json()) == state


@given(states())
def test_the_last_stage_is_the_one_before_the_champions_place(state: State) -> None:
    """The current stage is the plan's, and exactly one stage of a plan is its last."""
    assert state.rollout is not None
    assert state.rollout.current == state.rollout.plan.stages[state.rollout.stage]
    places = range(len(state.rollout.plan.stages))
    last = [place for place in places if state.rollout.model_copy(update={"stage": place}).is_last]
    assert last == [len(state.rollout.plan.stages) - 1]


def test_a_state_of_another_time_is_refused() -> None:
    """A field that this Regrow does not know may change who answers: it is not ignored."""
    with pytest.raises(ValidationError, match="later"):
        State.model_validate({"champion": 3, "later": 1})


def test_a_state_is_never_changed() -> None:
    """Each move has a state of its own, so that the ledger stays as it was written."""
    with pytest.raises(ValidationError, match="frozen"):
        State(champion=3).champion = 4
