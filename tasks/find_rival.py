"""Find the version that a candidate has to beat."""

from datetime import datetime

from regrow import registry
from regrow.lineage import current, step
from regrow.project import Project
from regrow.results import Candidate, Rival


@step(retries=2, retry_delay_seconds=[5, 30])
def find_rival(project: Project, candidate: Candidate, as_of: datetime) -> Rival:
    """Return whom *candidate* has to beat: the champion of *project* at *as_of*, or nobody yet."""
    found = registry.rival(project.name, candidate, as_of)
    rival = Rival(number=found.number, candidate=found.candidate) if found else Rival()
    current().tag(rival=rival.number)
    return rival
