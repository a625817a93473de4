"""Runs are removed with what is nested in them and with their files."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from regrow.base.tracking import TIDIED
from regrow.data.tidying import Room
from regrow.lineage.removal import remove_files, remove_run


class Client:
    """A client that knows which runs are nested in which, and remembers what was done."""

    def __init__(self, folder: Path) -> None:
        self.children, self.done = {"flow": ["step"], "step": ["trial"]}, list[str]()
        self.folder = folder

    def run(self, run_id: str) -> Any:
        place = self.folder / run_id
        place.mkdir(exist_ok=True)
        (place / "figures.json").write_text("12345")
        return SimpleNamespace(
            info=SimpleNamespace(run_id=run_id, experiment_id="1", artifact_uri=place.as_uri())
        )

    def search_runs(self, _: list[str], wanted: str, **__: object) -> list[Any]:
        parent = wanted.split("'")[1]
        return [self.run(child) for child in self.children.get(parent, [])]

    def set_tag(self, run_id: str, tag: str, _: str) -> None:
        assert tag == TIDIED
        self.done.append(f"tag {run_id}")

    def delete_run(self, run_id: str) -> None:
        self.done.append(f"delete {run_id}")


@pytest.mark.parametrize("dry_run", [True, False])
def test_children_go_before_their_parent(tmp_path: Path, dry_run: bool) -> None:
    """So a removal that is killed finds the rest again; a dry run counts the same and leaves all."""
    client: Any = Client(tmp_path)
    assert remove_run(client, client.run("flow"), dry_run) == Room(3, 15)
    order = [f"{what} {run}" for run in ("trial", "step", "flow") for what in ("tag", "delete")]
    assert client.done == ([] if dry_run else order)
    assert (tmp_path / "flow/figures.json").exists() == dry_run


def test_one_file_or_all_of_a_run(tmp_path: Path) -> None:
    """A page is removed alone; folders are counted with all that they hold; nothing is no error."""
    for name in ("a.html", "deep/b.json", "deep/er/c.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("123")
    uri = tmp_path.as_uri()
    assert remove_files(uri, "a.html") == Room(1, 3)
    assert remove_files(uri, "a.html") == Room()
    assert remove_files(uri, "deep/er") == Room(1, 3)
    assert remove_files(uri) == Room(1, 3)
    assert remove_files((tmp_path / "nowhere").as_uri()) == Room()
