"""What a changed library means for a model that was made with another version of it."""

import logging

import pytest

from regrow.base.errors import IncompatibleModel
from regrow.base.provenance import library_versions
from regrow.models import libraries
from regrow.models.libraries import ChangedLibrary, changed_libraries, check_libraries

MADE_WITH = {"numpy": "2.3.0", "pandas": "2.3.0", "scikit-learn": "1.8.0"}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other versions be installed, and nothing be said yet."""
    installed = {"numpy": "2.4.1", "pandas": "3.0.0", "scikit-learn": "1.8.0"}
    monkeypatch.setattr(libraries, "installed_version", installed.get)
    libraries._warn.cache_clear()


def test_only_what_differs_is_named() -> None:
    """The same version is no change; a package that is not here by its name is one, and may be here by another."""
    changed = changed_libraries({**MADE_WITH, "xgboost": "3.1.0"})
    assert [str(each) for each in changed] == [
        "numpy 2.3.0 (here 2.4.1)",
        "pandas 2.3.0 (here 3.0.0)",
        "xgboost 3.1.0 (here not by that name)",
    ]
    assert [each.is_major for each in changed] == [False, True, False]


def test_a_changed_minor_version_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A model that is loaded again and again warns once in a process; another model warns too."""
    changed = [ChangedLibrary("numpy", "2.3.0", "2.4.1")]
    with caplog.at_level(logging.WARNING, "regrow.models"):
        for model_id in ("m-1", "m-1", "m-2"):
            check_libraries(model_id, changed)
    assert caplog.messages == [
        f"{model_id} was made with numpy 2.3.0 (here 2.4.1); it is loaded all the same"
        for model_id in ("m-1", "m-2")
    ]


def test_a_changed_major_version_needs_a_word_in_the_file() -> None:
    """It is refused by package, both versions and the remedy; the file's word for that package lets it pass."""
    changed = changed_libraries(MADE_WITH)
    with pytest.raises(
        IncompatibleModel,
        match=r"m-1 was made with pandas 2\.3\.0 \(here 3\.0\.0\): train it again .* or install pandas==2\.3\.0; "
        r".*trust_versions: \[pandas\]",
    ):
        check_libraries("m-1", changed, ["numpy"])
    check_libraries("m-1", changed, ["Pandas"])


def test_a_model_that_names_no_library_is_loaded_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """Models of versions before have no record of what they were made with."""
    check_libraries("m-1", changed_libraries({}))
    assert not caplog.messages


def test_what_makes_every_model_is_recorded() -> None:
    """The versions of a fresh model are those that are installed: nothing differs."""
    made_with = library_versions(("sklearn", "lightgbm", "abc"))
    assert list(made_with) == ["lightgbm", "numpy", "pandas", "scikit-learn", "skops"]
