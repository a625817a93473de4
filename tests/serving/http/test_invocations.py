"""What a request may ask of the server beside its rows."""

from types import SimpleNamespace

import pytest

from regrow.serving.http.invocations import _wishes
from regrow.serving.http.responses import Refused


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
