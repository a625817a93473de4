"""Find the text columns of a CSV file that were meant to be something else: numbers, amounts, dates.

Without a word, one cell `unknown` would make a category of each number in its column.
"""

import re
from collections.abc import Collection, Iterator

import pandas as pd

from regrow.data.csv_files import amount_pattern
from regrow.errors import DataError
from regrow.project import CsvSource, Project

SAMPLE = 1000
"""Values, evenly spaced, that are looked at first."""
MOSTLY = 0.9
"""Share of a column's values from which it is taken to be meant so."""
WORDS = 10
"""Different values that are none, beyond which a column of numbers is taken for names."""
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
DATES = {
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?": "iso",
    r"\d{1,2}\.\d{1,2}\.\d{4}": "%d.%m.%Y",
    r"\d{1,2}/\d{1,2}/\d{4}": "%m/%d/%Y or %d/%m/%Y",
    r"\d{1,2}-\d{1,2}-\d{4}": "%d-%m-%Y or %m-%d-%Y",
    r"\d{4}/\d\d/\d\d": "%Y/%m/%d",
}


def check_text(project: Project, frame: pd.DataFrame, columns: Collection[str]) -> None:
    """Raise `DataError` naming each of *columns* that a CSV file holds as text and that is not meant to be.

    The message names the option of the project file that reads it as what it is, or keeps it as text.
    """
    source = project.data.source
    if not isinstance(source, CsvSource):
        return
    text = [
        name
        for name in frame.columns
        if name in columns and name not in source.text and isinstance(frame[name].dtype, pd.StringDtype)
    ]
    named = frame if project.data.id is None else frame.set_axis(frame[project.data.id])
    found = [f"{project.path}: data.source: {said}" for name in text for said in suspect(named[name], source)]
    if found:
        raise DataError("\n".join(found))


def suspect(values: pd.Series, source: CsvSource) -> Iterator[str]:
    """Find what the text *values*, indexed by the names of their rows, were meant to be, and how to read them so."""
    known = values[values.notna()].astype("str").str.strip()
    some = known.iloc[:: max(len(known) // SAMPLE, 1)]
    keep = f"`text: [{values.name}]` to keep it as text, or leave it out of data.features"
    comma = "." if source.decimal == "," else ","
    plain = _share(some, NUMBER)
    if holds_amounts(some, source):
        yield _told(known, "amounts or shares", f"numbers: [{values.name}]", keep)
    elif plain >= MOSTLY:
        yield from _nearly_numbers(known, keep)
    elif _share(some, amount_pattern(comma, None)) >= MOSTLY:
        yield _told(known, f"numbers with a decimal `{comma}`", f'decimal: "{comma}"', keep)
    else:
        for pattern, written in DATES.items():
            if _share(some, pattern) >= MOSTLY:
                yield _told(known, "dates", f'dates: {{{values.name}: "{written}"}}', keep)


def holds_amounts(known: pd.Series, source: CsvSource) -> bool:
    """Return whether the text *known* is mostly amounts or shares, as `$1,200.50` and `12%`, and not plain numbers."""
    amounts = _share(known, amount_pattern(source.decimal, source.thousands))
    return amounts >= MOSTLY and amounts > _share(known, NUMBER)


def better_reading(frame: pd.DataFrame, source: CsvSource) -> CsvSource:
    """Return *source* with the options by which the text columns of *frame* are read as the amounts that they hold."""
    text = {name: frame[name].dropna().astype("str").str.strip() for name in frame if _is_text(frame[name])}
    some = {name: known.iloc[:: max(len(known) // SAMPLE, 1)] for name, known in text.items() if len(known)}
    comma = {
        name for name, known in some.items()
        if _share(known, amount_pattern(",", None)) >= MOSTLY and known.str.contains(",", regex=False).any()
    }  # fmt: skip
    if source.decimal == "." and source.separator != "," and comma:
        return source.model_copy(update={"decimal": ","})
    amounts = tuple(str(name) for name, known in some.items() if holds_amounts(known, source))
    return source.model_copy(update={"numbers": (*source.numbers, *amounts)})


def _is_text(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.StringDtype)


def _nearly_numbers(known: pd.Series, keep: str) -> Iterator[str]:
    """Find the few words that make text of a column of numbers."""
    other = known[~known.str.fullmatch(NUMBER)]
    words = list(other.drop_duplicates().iloc[: WORDS + 1])
    if len(words) > WORDS or len(other) > (1 - MOSTLY) * len(known):
        return
    yield (
        f"column `{known.name}` is text because of {len(other)} of {len(known)} values, the first in row "
        f"{other.index[0]}: {other.iloc[0]!r}; correct them, or write `null_values: [{', '.join(words)}]`, {keep}"
        if words
        else f"column `{known.name}` holds numbers as text; write `numbers: [{known.name}]`, {keep}"
    )


def _told(known: pd.Series, what: str, remedy: str, keep: str) -> str:
    """Return what *known* holds and how it is read so."""
    return f"column `{known.name}` holds {what} such as {known.iloc[0]!r}, read as text; write `{remedy}`, {keep}"


def _share(values: pd.Series, pattern: str | re.Pattern[str]) -> float:
    """Return the share of *values* that *pattern* matches whole; 0 if there is none."""
    matches = re.compile(pattern).fullmatch
    return sum(bool(matches(value)) for value in values) / max(len(values), 1)
