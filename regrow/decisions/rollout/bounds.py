"""What a bound proves of a limit, and how that is said."""

from regrow.base.verdict import Finding, Result
from regrow.decisions.units import Units, unit_fields


def judge_bound(low: float, limit: float, greatest: float) -> Result:
    """Return "fail" when the lower bound *low* proves that *limit* is broken, else "pass".

    It is "undecided" when the *greatest* lower bound that so many rows can give would prove nothing either.
    """
    if low > limit:
        return "fail"
    return "pass" if greatest > limit else "undecided"


def undecided(rule: str, rows: int, why: str, units: Units | None = None) -> Finding:
    """Return the undecided finding on *rule*, about which *rows*, of *units*, tell too little: *why*."""
    return Finding(rule=rule, result="undecided", rows=rows, detail=why, **unit_fields(units))


def proven(low: float, limit: float, form: str) -> str:
    """Return what the lower bound *low* proves about *limit*."""
    return f"at least {low:{form}}, limit {limit:{form}}" if low > limit else f"limit {limit:{form}}"
