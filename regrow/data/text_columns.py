"""Find the text columns of a CSV file that were meant to be something else: numbers, amounts, dates.

Without a word, one cell `unknown` would make a category of each number in its column.
"""

import re
from collections.abc import Collection, Iterator
from functools import partial

import pandas as pd

from regrow.base.errors import DataError
from regrow.data.csv_files import amount_pattern
from regrow.project import CsvSource, Project

SAMPLE = 1000
"""Values, evenly spaced, that are looked at first."""
MOSTLY = 0.9
"""Share of a column's values from which it is taken to be meant so."""
WORDS = 10
"""Different values that are none, beyond which a column of numbers is taken for names."""
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
DATES = {
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?": ["iso"],
    r"\d{1,2}\.\d{1,2}\.\d{4}": ["%d.%m.%Y"],
    r"\d{1,2}/\d{1,2}/\d{4}": ["%m/%d/%Y", "%d/%m/%Y"],
    r"\d{1,2}-\d{1,2}-\d{4}": ["%d-%m-%Y", "%m-%d-%Y"],
    r"\d{4}/\d\d/\d\d": ["%Y/%m/%d"],
    r"\d{1,2} [A-Z][a-z]{2} \d{4}": ["%d %b %Y"],
    r"\d{1,2} [A-Z][a-z]{3,8} \d{4}": ["%d %B %Y"],
}
CLOCKS = {"": "", r" \d{1,2}:\d\d": " %H:%M", r" \d{1,2}:\d\d:\d\d": " %H:%M:%S"}
"""What may stand after a date."""


def check_text(project: Project, frame: pd.DataFrame, columns: Collection[str]) -> None:
    """Raise `DataError` naming each of *columns* that a CSV file holds as text and that is not meant to be.

    The message names the option of the project file that reads it as what it is, or keeps it as text.
    """
    source = project.data.source
    if not isinstance(source, CsvSource):
        return
    text = [name for name in _text_of(frame, columns) if name not in source.text]
    named = frame if project.data.id is None else frame.set_axis(frame[project.data.id])
    found = [f"{project.path}: data.source: {said}" for name in text for said in suspect(named[name], source)]
    if found:
        raise DataError("\n".join(found))


def misread_text(project: Project, frame: pd.DataFrame, columns: Collection[str]) -> list[str]:
    """Tell which of *columns*, of a source that knows text from numbers, hold numbers or dates as text all the same."""
    if isinstance(project.data.source, CsvSource):
        return []  # `check_text` refuses them.
    return [said for name in _text_of(frame, columns) for said in suspect(frame[name], None)]


def _text_of(frame: pd.DataFrame, columns: Collection[str]) -> list[str]:
    """Name those of *columns* that *frame* holds as text."""
    return [name for name in columns if name in frame and isinstance(frame[name].dtype, pd.StringDtype)]


def suspect(values: pd.Series, source: CsvSource | None) -> Iterator[str]:
    """Find what the text *values*, indexed by the names of their rows, were meant to be, and how to read them so.

    *source* is the CSV file that holds them; None if what holds them knows text from numbers. There digits alone are
    codes, and what is to be done is to be done in the source.
    """
    known = values[values.notna()].astype("str").str.strip()
    some = known.iloc[:: max(len(known) // SAMPLE, 1)]
    keep = f"`text: [{values.name}]` to keep it as text, or leave it out of data.features"
    decimal = "." if source is None else source.decimal
    comma = "." if decimal == "," else ","
    told = partial(_told, known, None if source is None else keep)
    if holds_amounts(some, source):
        yield told("amounts or shares", f"numbers: [{values.name}]")
    elif _share(some, NUMBER) >= MOSTLY:
        if source is not None or _share(some, r"\d+") < 0.5:
            yield from _nearly_numbers(known, None if source is None else keep)
    elif _share(some, amount_pattern(comma, None)) >= MOSTLY:
        yield told(f"numbers with a decimal `{comma}`", f'decimal: "{comma}"')
    elif written := date_formats(known):
        yield told("dates", f'dates: {{{values.name}: "{" or ".join(written)}"}}')


def date_formats(known: pd.Series) -> list[str]:
    """Return how the dates in the text *known* may be written, two ways if no day is beyond 12; empty if they are none.

    What only few of them break is a way too: those are for a person to correct.
    """
    some = known.iloc[:: max(len(known) // SAMPLE, 1)]
    for pattern, formats in DATES.items():
        for clock, time in CLOCKS.items():
            if _share(some, pattern + clock) >= MOSTLY:
                able = [one if one == "iso" else one + time for one in formats]
                return [one for one in able if len(able) == 1 or _reads_all(known, one)] or able
    return []


def _reads_all(known: pd.Series, written: str) -> bool:
    """Return whether each of *known* is a date that is *written* so."""
    return bool(pd.to_datetime(known, format=written, errors="coerce").notna().all())


def holds_amounts(known: pd.Series, source: CsvSource | None) -> bool:
    """Return whether the text *known* is mostly amounts or shares, as `$1,200.50` and `12%`, and not plain numbers."""
    decimal, thousands = (".", None) if source is None else (source.decimal, source.thousands)
    amounts = _share(known, amount_pattern(decimal, thousands))
    return amounts >= MOSTLY and amounts > _share(known, NUMBER)


def better_reading(frame: pd.DataFrame, source: CsvSource) -> CsvSource:
    """Return *source* with the options that read the text columns of *frame* as the amounts and dates they hold.

    Dates that may be written in two ways, or that some value breaks, stay text.
    """
    text = {name: frame[name].dropna().astype("str").str.strip() for name in frame if _is_text(frame[name])}
    some = {name: known.iloc[:: max(len(known) // SAMPLE, 1)] for name, known in text.items() if len(known)}
    comma = {
        name for name, known in some.items()
        if _share(known, amount_pattern(",", None)) >= MOSTLY and known.str.contains(",", regex=False).any()
    }  # fmt: skip
    if source.decimal == "." and source.separator != "," and comma:
        return source.model_copy(update={"decimal": ","})
    amounts = tuple(str(name) for name, known in some.items() if holds_amounts(known, source))
    dates = {
        str(name): formats[0]
        for name, known in text.items()
        if len(formats := date_formats(known)) == 1 and formats != ["iso"] and _reads_all(known, formats[0])
    }
    return source.model_copy(
        update={"numbers": (*source.numbers, *amounts), "dates": {**source.dates, **dates}}
    )


def _is_text(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.StringDtype)


def _nearly_numbers(known: pd.Series, keep: str | None) -> Iterator[str]:
    """Find the few words that make text of a column of numbers; *keep* says how it stays text in a CSV file."""
    other = known[~known.str.fullmatch(NUMBER)]
    words = list(other.drop_duplicates().iloc[: WORDS + 1])
    if len(words) > WORDS or len(other) > (1 - MOSTLY) * len(known):
        return
    if not words:
        yield _told(known, keep, "numbers", f"numbers: [{known.name}]")
        return
    remedy = f"correct them, or write `null_values: [{', '.join(words)}]`, {keep}" if keep else "correct them"
    yield (
        f"column `{known.name}` is text because of {len(other)} of {len(known)} values, the first in row "
        f"{other.index[0]}: {other.iloc[0]!r}; {remedy}"
    )


def _told(known: pd.Series, keep: str | None, what: str, option: str) -> str:
    """Return *what* the text *known* holds, and the *option* that reads it so, or *keep*s it as it is."""
    remedy = f"write `{option}`, {keep}" if keep else "write them as such in the source"
    return f"column `{known.name}` holds {what} such as {known.iloc[0]!r}, read as text; {remedy}"


def _share(values: pd.Series, pattern: str | re.Pattern[str]) -> float:
    """Return the share of *values* that *pattern* matches whole; 0 if there is none."""
    matches = re.compile(pattern).fullmatch
    return sum(bool(matches(value)) for value in values) / max(len(values), 1)
