"""What a request may ask of the server beside its rows."""

import json
from types import SimpleNamespace

import pytest
from fastapi import Request
from model_facts import make_facts

from regrow.models.explaining import attributions
from regrow.serving.http.invocations import _about, _response, _wants_reasons, _wishes
from regrow.serving.http.responses import Refused
from regrow.serving.predict.jobs import Answer
from regrow.serving.predict.versions import ServedVersion


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


def wishes(roles=frozenset({"predict"}), **headers):
    given = {f"x-regrow-{name}": value for name, value in headers.items()}
    return _wishes(SimpleNamespace(headers=given, state=SimpleNamespace(roles=roles)))


def test_versions_and_probes_are_read_from_headers():
    """A version may be asked for by whoever may predict; a probe takes the role admin."""
    assert wishes() == (None, False)
    assert wishes(version="4") == (4, False)
    assert wishes({"admin"}, version="4", probe="1") == (4, True)
    with pytest.raises(Refused) as refused:
        wishes(probe="1")
    assert (refused.value.status, refused.value.code) == (403, "forbidden")


@pytest.mark.parametrize(
    "headers", [{"version": v} for v in ("", "-1", "1.0", "²", "9" * 5000)] + [{"probe": "0"}]
)
def test_headers_that_mean_nothing_are_refused(headers):
    """What is no version's number, or no probe, is a 400 that says what it was."""
    with pytest.raises(Refused) as refused:
        wishes({"admin"}, **headers)
    assert (refused.value.status, refused.value.code) == (400, "malformed_header")
    assert len(str(refused.value)) < 200


def about(**headers):
    given = {f"x-regrow-{name.replace('_', '-')}": value for name, value in headers.items()}
    return _about(SimpleNamespace(headers=given))


def test_entity_and_moment_are_read_from_headers():
    """A header's bytes are UTF-8, as in a body, and a moment is in UTC; what is not sent is nothing."""
    assert about() == (None, None)
    assert about(entity="Zoë".encode().decode("latin-1")) == ("Zoë", None)
    assert about(event_time="2024-06-01T02:00:00+02:00") == (None, "2024-06-01T00:00:00+00:00")


@pytest.mark.parametrize(
    "headers",
    [{"entity": v} for v in ("", "\xff", "x" * 1001)]
    + [{"event_time": v} for v in ("", "June", "1717200000", "0024-06-01")],
)
def test_an_entity_or_a_moment_that_means_nothing_is_refused(headers):
    """What names nobody or no moment is a 400, and never the moment of the answer in silence."""
    with pytest.raises(Refused) as refused:
        about(**headers)
    assert (refused.value.status, refused.value.code) == (400, "malformed_header")
    assert len(str(refused.value)) < 200


def wants_reasons(query: str) -> bool:
    """Read *query* as the server does."""
    return _wants_reasons(Request({"type": "http", "query_string": query.encode()}))


def test_reasons_are_asked_for_in_the_query():
    """Nothing and false mean no, true means yes, whatever else stands in the query."""
    assert [wants_reasons(query) for query in ("", "other=1", "explain=false", "explain=true")] == [
        False
    ] * 3 + [True]
    with pytest.raises(Refused) as refused:
        wants_reasons("explain=perhaps")
    assert (refused.value.status, refused.value.code) == (400, "malformed_query")


def test_a_server_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    """It is a 501 before anything is predicted, and only for whoever asks for reasons."""
    monkeypatch.setattr(attributions, "find_spec", lambda name: None)
    assert not wants_reasons("explain=false")
    with pytest.raises(Refused, match=r"pip install 'regrow\[explain\]'") as refused:
        wants_reasons("explain=true")
    assert refused.value.status == 501


def served(number: int, threshold: float | None) -> ServedVersion:
    """Make a version that decides by *threshold*."""
    facts = make_facts("no", "yes", threshold=threshold)
    return ServedVersion(number, SimpleNamespace(facts=facts), None, 0.0, (2,))


def answered(*versions: ServedVersion, of: list[int]) -> dict[str, object]:
    """Return the body of an answer by the versions *of* the rows."""
    answer = Answer([[0.8, 0.2], [0.6, 0.4]], ["a", "b"], of)
    return json.loads(_response(answer, None, *versions).body)


def test_a_threshold_tells_what_the_version_decides():
    """The class of each row and the threshold stand beside the probabilities; without a threshold, neither does."""
    body = answered(served(1, 0.3), None, of=[1, 1])
    assert (body["decisions"], body["threshold"]) == (["no", "yes"], 0.3)
    assert not {"decisions", "threshold"} & set(answered(served(1, None), None, of=[1, 1]))


def test_each_row_is_decided_by_the_version_that_answered_it():
    """In a canary each row is decided by the threshold of its version; one without a threshold decides nothing."""
    body = answered(served(1, 0.1), served(2, 0.5), of=[1, 2])
    assert body["decisions"] == ["yes", "no"]
    assert "threshold" not in body
    assert answered(served(1, 0.1), served(2, None), of=[1, 2])["decisions"] == ["yes", None]


def test_clients_are_told_what_is_held_back():
    """Each row's mark stands beside its prediction, if a share is held back."""
    answer = Answer([0.1, 0.2], ["a", "b"], [1, 1])
    assert json.loads(_response(answer, None, held=[False, True]).body)["held_back"] == [False, True]
    assert "held_back" not in json.loads(_response(answer, None).body)
