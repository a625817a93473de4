"""What `regrow forget` says."""

from datetime import UTC, datetime

from regrow.cli.forget_command import lines_of
from regrow.lineage.forgetting import Forgotten

TOLD = Forgotten(
    at=datetime(2026, 1, 1, tzinfo=UTC), model="m", by="ada", predictions=1200, labels=3, set_aside=2,
    snapshots={"a": "b"}, rows=5, learnt=(1, 2), judged=(3,),
)  # fmt: skip


def test_versions_and_what_is_left_to_do_are_told() -> None:
    """The figures, the versions that learnt, and what Regrow does not own."""
    told = " ".join(lines_of(TOLD, dry_run=False))
    for part in (
        "1,200 predictions",
        "5 rows of 1 snapshots erased",
        "versions 1, 2 learnt",
        "versions 3 were judged",
    ):
        assert part in told
    assert "not touched: data.source" in told
    assert "2 damaged lines" in told
    assert "LOOK AT" not in told
    unclear = TOLD.model_copy(update={"look_at": ("journal/m/damaged/w-1.jsonl",)})
    assert any(
        line.startswith("LOOK AT journal/m/damaged/w-1.jsonl: ") for line in lines_of(unclear, dry_run=False)
    )


def test_a_dry_run_says_that_it_is_one() -> None:
    """Nothing sounds done; what did not happen has no line."""
    nothing = TOLD.model_copy(update={"learnt": (), "judged": (), "set_aside": 0})
    told = lines_of(nothing, dry_run=True)
    assert len(told) == 2
    assert "would be erased" in told[0]
