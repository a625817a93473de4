"""How entries of keys are written and read."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from regrow.base.errors import ServingError
from regrow.base.settings import Settings
from regrow.data.key_entries import entries_of_file, entries_of_variable, read_day, read_roles, write_entry

DIGEST = "0f" * 32


@pytest.mark.parametrize("models", [(), ("churn", "flights")])
@pytest.mark.parametrize("expires", [None, date(2027, 3, 1)])
def test_what_is_written_is_read(tmp_path: Path, models: tuple[str, ...], expires: date | None) -> None:
    """An entry means the same in the variable and in the file, with a remark behind it or not."""
    text = write_entry({"predict", "labels"}, models, DIGEST, expires)
    (tmp_path / "keys").write_text(f"# ours\n\n{text}  # the shop\n")
    [read] = entries_of_file(tmp_path / "keys")
    assert entries_of_variable(Settings(api_keys=(SecretStr(text),))) == [read]
    assert (read.digest, read.roles, read.expires) == (DIGEST.encode(), {"predict", "labels"}, expires)
    assert read.models == (frozenset(models) or None)


def test_the_day_is_one_of_utc() -> None:
    """The key is good until the day begins; without a day it has no end."""
    [ends], [stays] = (
        entries_of_variable(Settings(api_keys=(SecretStr(write_entry({"admin"}, (), DIGEST, day)),)))
        for day in (date(2027, 3, 1), None)
    )
    assert not ends.has_expired(datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC))
    assert ends.has_expired(datetime(2027, 3, 1, tzinfo=UTC))
    assert not stays.has_expired(datetime(9999, 1, 1, tzinfo=UTC))


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    """A role, a day, a model and a file that are none are errors that say which."""
    with pytest.raises(ServingError, match="'king' is no role"):
        read_roles(["king"])
    with pytest.raises(ServingError, match="--expires: 'soon' is no day; write it as"):
        read_day("soon", "--expires")
    with pytest.raises(ServingError, match="is no name of a model"):
        write_entry({"admin"}, ["a b"], DIGEST, None)
    with pytest.raises(ServingError, match="cannot be read"):
        entries_of_file(tmp_path / "none")
