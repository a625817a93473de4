"""The record of one automatic decision."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Finding(BaseModel):
    """One rule's figure against its limit, with the rows and the confidence behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    """What was asked, in words: `roc_auc at least 0.62`, `drift of temp below 0.1`."""
    passed: bool
    figure: float | None = None
    limit: float | None = None
    interval: tuple[float, float] | None = None
    """Lower and upper bound of *figure* at *confidence*."""
    confidence: float | None = None
    rows: int | None = None
    detail: str = ""
    """What a person would want to read: the reason, with its figures."""


class Verdict(BaseModel):
    """Pass or fail, with every finding behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["promote", "monitor", "retrain", "validate", "deploy", "rollout", "roll back"]
    passed: bool
    reason: str
    findings: tuple[Finding, ...] = ()
    outcome: str = ""
    """What to do where pass or fail does not say it: for a rollout `advance`, `hold` or `roll back`, for an A/B
    comparison also `better`, `worse` or `no difference`."""

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that did not pass."""
        return tuple(finding for finding in self.findings if not finding.passed)
