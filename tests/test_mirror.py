"""Each source file has its test where a reader looks for it: `tests/tasks/test_fit.py` for `tasks/fit.py`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("regrow", "flows", "tasks", "deployments")
NEEDS_NONE = {
    "regrow/cli/command_result.py": "a class without behaviour",
    "regrow/base/errors.py": "classes without behaviour",
}
"""What has no test of its own, and why."""


def place_of_test(source: Path) -> Path:
    """Return where the test of *source* is looked for; the rooms of `regrow` stand directly under `tests`."""
    inside = source.relative_to("regrow") if source.parts[0] == "regrow" else source
    return Path("tests") / inside.with_name(f"test_{inside.name}")


def untested() -> set[str]:
    """Return the source files without a test where one looks for it."""
    sources = [path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return {
        str(each) for each in sources if each.stem[:2] != "__" and not (ROOT / place_of_test(each)).exists()
    }


def test_each_file_has_its_test() -> None:
    """A new source file has a test beside those of its siblings."""
    assert sorted(untested() - set(NEEDS_NONE)) == []


def test_the_exceptions_are_ones() -> None:
    """What has a test by now, or is gone, is no exception any more."""
    assert sorted(set(NEEDS_NONE) - untested()) == []
