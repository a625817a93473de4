"""What a project file names is imported, and whatever its code raises is named with its place."""

from pathlib import Path

import pytest

from regrow.base.errors import DataError, ProjectError
from regrow.project.imports import (
    code_name,
    describe_error,
    find_class,
    import_class,
    import_code,
    import_hook,
    load_code,
    naming_origin,
)


def test_a_hook_is_found_beside_its_file(tmp_path: Path) -> None:
    """`module:attribute` is read from the folder of the project file, in a folder below it too."""
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "rows.py").write_text("def load():\n    return 7\n")
    assert import_hook(tmp_path / "a.yaml", "hooks.rows:load")() == 7


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (None, r"no file .*rows\.py; a hook's module sits beside"),
        ("other = 1\n", "defines no `load`"),
        ("import nowhere\n", r"fails at import: ModuleNotFoundError: .*'nowhere' \(rows\.py, line 1\)"),
        ("import sys\nsys.exit(3)\n", r"fails at import: SystemExit: 3 \(rows\.py, line 2\)"),
    ],
)
def test_a_hook_that_cannot_be_imported_is_named(tmp_path: Path, code: str | None, said: str) -> None:
    """The error begins with file, key and reference, and ends with what is wrong in which line."""
    if code is not None:
        (tmp_path / "rows.py").write_text(code)
    with pytest.raises(ProjectError, match=rf"a\.yaml: data\.source\.load: rows:load: .*{said}"):
        import_hook(tmp_path / "a.yaml", "rows:load", "data.source.load")


def test_the_line_is_the_users_and_not_the_librarys(tmp_path: Path) -> None:
    """An error inside a library is placed where the user's code called it."""
    (tmp_path / "rows.py").write_text("import json\ndef load():\n    return json.loads('{')\n")
    hook = import_hook(tmp_path / "a.yaml", "rows:load")
    with pytest.raises(DataError, match=r"a: JSONDecodeError: .* \(rows\.py, line 3\)$"):  # noqa: SIM117
        with naming_origin(DataError, "a", tmp_path):
            hook()


def test_an_error_of_a_library_alone_has_no_place() -> None:
    """Neither our own files nor those of a library are shown to a user as the place of an error."""
    with pytest.raises(ProjectError) as raised, naming_origin(ProjectError, "a"):
        import_class("sklearn.linear_model.Ridge", "b")(depth=1)
    assert "depth" in str(raised.value)
    assert ".py" not in str(raised.value).replace(Path(__file__).name, "")


def test_what_regrow_raises_on_purpose_passes() -> None:
    """An error that names its place already is not wrapped in another."""
    with pytest.raises(DataError, match=r"^plain$"), naming_origin(ProjectError, "a"):
        raise DataError("plain")


def test_an_interrupt_passes() -> None:
    """Ctrl-C in a user's code still stops the program."""
    with pytest.raises(KeyboardInterrupt), naming_origin(ProjectError, "a"):
        raise KeyboardInterrupt


def test_an_error_without_words_is_its_name() -> None:
    """An exception that says nothing is named by its type."""
    assert describe_error(ZeroDivisionError()) == "ZeroDivisionError"


def test_code_is_loaded_once_for_each_content(tmp_path: Path) -> None:
    """The same content is the same module; another of the same length, written at once, is another beside it."""
    file = tmp_path / "features.py"
    file.write_text("SHIFT = 1\n")
    first = load_code(file)
    assert load_code(file) is first
    file.write_text("SHIFT = 2\n")
    assert (first.SHIFT, load_code(file).SHIFT) == (1, 2)
    assert code_name(file).endswith("_features")


def test_code_that_fails_is_not_left_behind(tmp_path: Path) -> None:
    """A module that raises is an error with its line each time, never half a module."""
    (tmp_path / "features.py").write_text("A = 1\nB = A / 0\n")
    for _ in range(2):
        with pytest.raises(ProjectError, match=r"ZeroDivisionError: .*features\.py, line 2"):
            import_code(tmp_path / "demo.yaml", "features:A", "training.preprocessing")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("gone:Model", r"training\.estimator: gone:Model: no file"),
        ("features:Other", "defines no `Other`"),
        ("features:A", "is no class"),
    ],
)
def test_own_code_that_is_missing_is_named(reference: str, message: str, tmp_path: Path) -> None:
    """A file, an attribute or a class that is not there is an error with the key."""
    (tmp_path / "features.py").write_text("A = 1\n")
    with pytest.raises(ProjectError, match=message):
        find_class(reference, "training.estimator", tmp_path / "demo.yaml")
