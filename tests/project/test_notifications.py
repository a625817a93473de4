"""Who is told of what: targets name their address, and never hold it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from regrow.base.errors import ProjectError
from regrow.project import Project, Target, load_targets
from regrow.project.check import check_project
from regrow.project.notifications import hide_passwords

SECRET = "hunter2"  # noqa: S105
ADDRESS = f"mailtos://ada:{SECRET}@example.org"


@pytest.mark.parametrize(
    "target",
    [
        {"url": ADDRESS},
        {"url_env": ADDRESS},
        {"secret": ADDRESS},
        {"url_env": "A", "secret": "b"},
        {},
        ADDRESS,
        {"url_env": "A", "severity": ADDRESS},
        {"url_env": "A", "adress": ADDRESS},
    ],
)
def test_an_address_in_the_file_is_refused_without_being_shown(
    project: Callable[..., Project], target: object
) -> None:
    """`regrow check` refuses an address, or a target without a name of one, in words that hold no secret."""
    with pytest.raises(ProjectError, match="notifications") as refused:
        project(notifications=[target])
    assert SECRET not in str(refused.value)


def test_an_address_in_place_of_the_list_is_not_shown(project: Callable[..., Project]) -> None:
    """Also an address that stands where the list of targets should is kept out of the error."""
    with pytest.raises(ProjectError, match="notifications") as refused:
        project(notifications=ADDRESS)
    assert SECRET not in str(refused.value)


def test_targets_are_read_from_a_project(project: Callable[..., Project]) -> None:
    """A target names a variable or a secret; the rest has defaults."""
    made = project(
        notifications=[{"url_env": "CHAT"}, {"secret": "pager", "kinds": ["alarm"], "quiet": "1h"}]
    )
    chat, pager = made.notifications
    assert (chat.key, chat.severity, chat.kinds, chat.quiet.total_seconds()) == (
        "env-CHAT",
        "warning",
        None,
        21_600,
    )
    assert (pager.key, pager.kinds, pager.quiet.total_seconds()) == ("secret-pager", ("alarm",), 3600)
    assert "ok" in check_project(made.path)


def test_a_target_is_told_of_what_it_asks_for() -> None:
    """By the least severity and, if it names kinds, by these alone."""
    urgent, alarms = (
        Target(url_env="A", severity="error"),
        Target(url_env="A", kinds=("alarm",), severity="info"),
    )
    assert urgent.wants("alarm", "error")
    assert not urgent.wants("alarm", "warning")
    assert alarms.wants("alarm", "info")
    assert not alarms.wants("run.failed", "error")


def test_the_targets_of_a_machine_are_a_list_of_the_same(tmp_path: Path) -> None:
    """The file of the settings is read and refused as the project's key is; broken YAML shows no password."""
    file = tmp_path / "targets.yaml"
    file.write_text("- {url_env: CHAT, severity: info}\n")
    assert load_targets(file) == (Target(url_env="CHAT", severity="info"),)
    for text in (f"- {{url: '{ADDRESS}'}}", f"- [{ADDRESS}", f"{ADDRESS}\n"):
        file.write_text(text)
        with pytest.raises(ProjectError) as refused:
            load_targets(file)
        assert str(file) in str(refused.value)
        assert SECRET not in str(refused.value)
    with pytest.raises(ProjectError, match="cannot be read"):
        load_targets(tmp_path / "none.yaml")


def test_passwords_are_hidden_in_any_text() -> None:
    """User and password of each address go, the rest stays."""
    assert hide_passwords(f"no route to {ADDRESS}, nor postgresql://u:p@h/d") == (
        "no route to mailtos://…@example.org, nor postgresql://…@h/d"
    )
