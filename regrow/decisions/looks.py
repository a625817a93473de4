"""How sure one look at a model must be, so that a year of looks has no more false alarms than the file says."""

from datetime import timedelta

from regrow.decisions.units import LENGTHS
from regrow.project import Project
from regrow.project.schedules import runs_a_year

YEAR = timedelta(days=365.25)
MOST = 0.1
"""The greatest level of a look, however rare the looks are."""
OVERLAP = 4, 10
"""Looks for which those of one window's length count, at most: if a window holds up to `MANY` of them, and if more.

Windows that overlap are nearly one look. An alarm within a window's length of another one is the same alarm. So
counted, standard normal windows have one false alarm a year if they are looked at after each of their 14, 31 or 60
days (benchmarks/monitoring.py), and without end with the second (Slepian 1961).
"""
MANY = 60


def level_of_look(project: Project) -> float:
    """Return the probability of a false alarm that one look of *project*'s monitoring may have.

    The expected number of false alarms adds up over looks, however they depend on one another: it is the allowed
    number over the looks of a year. Without a schedule there is one look a window. Until a unit is over nothing new can
    be seen, so looks at one unit are one.
    """
    rule, unit = project.monitoring, project.data.sampling_unit
    windows = YEAR / rule.window
    looks = runs_a_year(project, "monitor") or windows
    if unit in LENGTHS:
        looks = min(looks, YEAR / timedelta(microseconds=LENGTHS[unit]))
    overlap = OVERLAP[looks > MANY * windows]
    return min(MOST, rule.false_alarms / min(looks, overlap * windows))
