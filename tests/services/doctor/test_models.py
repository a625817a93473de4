"""Whether the registry says what the ledger says."""

from datetime import UTC, datetime

from regrow.registry import Move, State
from regrow.registry.ledger import RECONCILED, Ledger
from regrow.services.doctor.models import look_at_ledgers

AT = datetime(2026, 3, 1, tzinfo=UTC)


def ledger(name: str, reconciled: int = 1, **aliases: int) -> Ledger:
    """Make the ledger of a model whose one move has made version 1 the champion, and what the registry says."""
    move = Move(
        number=1,
        id="a",
        at=AT,
        as_of=AT,
        actor="ada",
        reason="passed",
        kind="promote",
        version=1,
        before=None,
        state=State(champion=1, move=1),
    )
    return Ledger(name, aliases, {RECONCILED: str(reconciled)}, "run", (move,))


def test_an_alias_that_is_not_what_the_ledger_says_is_named() -> None:
    """A champion past the ledger is wrong, with both versions and the remedy; those that follow are counted.

    How a tag is written does not count: an earlier version wrote less into it.
    """
    wrong, well = look_at_ledgers([ledger("loans", champion=4), ledger("flights", champion=1)])
    assert wrong.health == "wrong"
    assert wrong.found == "loans: champion is version 4, by the ledger version 1"
    assert "regrow ledger loans" in wrong.remedy
    assert (well.health, well.found) == ("well", "1 models follow their ledger")


def test_what_is_missing_is_said() -> None:
    """A model without the alias, and one whose last move was not written to its end, are told as such."""
    missing, unfinished, _ = look_at_ledgers([ledger("loans"), ledger("flights", 0, champion=1)])
    assert "champion is no version, by the ledger version 1" in missing.found
    assert unfinished.health == "wrong" and "died before all of its move was written" in unfinished.found
