"""Find the version that a candidate has to beat."""

from datetime import datetime

from regrow import registry
from regrow.lineage import current, step
from regrow.models.results import Candidate, ChampionToBeat
from regrow.project import Project


@step(retries=2, retry_delay_seconds=[5, 30])
def find_champion_to_beat(project: Project, candidate: Candidate, as_of: datetime) -> ChampionToBeat:
    """Return whom *candidate* has to beat: the champion of *project* at *as_of*, or nobody yet."""
    found = registry.champion_to_beat(project.name, candidate, as_of)
    champion = ChampionToBeat(number=found.number, candidate=found.candidate) if found else ChampionToBeat()
    current().tag(champion_to_beat=champion.number)
    return champion
