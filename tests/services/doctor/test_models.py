"""Whether the registry says what the ledger says."""

from dataclasses import dataclass, field

from regrow.services.doctor.models import look_at_ledgers


@dataclass
class Told:
    """What the doctor asks of a ledger."""

    name: str
    aliases: dict[str, int] = field(default_factory=dict)
    moved: int = 1

    def follows(self) -> bool:
        return self.aliases.get("champion") == self.moved

    def expected_aliases(self) -> dict[str, int | None]:
        return {"champion": self.moved, "challenger": None}


def test_an_alias_that_is_not_what_the_ledger_says_is_named() -> None:
    """A champion past the ledger is wrong, with both versions and the remedy; those that follow are counted."""
    wrong, well = look_at_ledgers([Told("loans", {"champion": 4}), Told("flights", {"champion": 1})])
    assert wrong.health == "wrong"
    assert "loans: champion is version 4, by the ledger version 1" in wrong.found
    assert "regrow ledger loans" in wrong.remedy
    assert (well.health, well.found) == ("well", "1 models follow their ledger")


def test_an_alias_that_is_missing_is_said() -> None:
    """A model without the alias that its ledger expects is told as one without a version."""
    wrong, _ = look_at_ledgers([Told("loans")])
    assert "champion is no version, by the ledger version 1" in wrong.found
