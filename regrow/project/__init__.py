"""The model's YAML file as frozen, strict types."""

from regrow.project.data import (
    Data,
    Expectation,
    GroupSplit,
    RandomSplit,
    Split,
    StratifiedSplit,
    TimeSplit,
    Unit,
)
from regrow.project.deployment import (
    Ab,
    Canary,
    Deployment,
    Replace,
    RolloutLimits,
    RolloutPlan,
    Shadow,
    Stage,
)
from regrow.project.evaluation import (
    BaselineGate,
    ChampionGate,
    EvaluationPlan,
    Gate,
    SliceGate,
    ThresholdGate,
)
from regrow.project.fields import Strict, format_duration, parse_duration
from regrow.project.file import Project, ProjectFile, json_schema, load_project
from regrow.project.metrics import Metric
from regrow.project.monitoring import Budget, DriftRule, Monitoring, PerformanceRule, QualityRule, Retraining
from regrow.project.sources import (
    CsvSource,
    DeltaSource,
    ParquetSource,
    PythonSource,
    SklearnSource,
    Source,
    SqlSource,
)
from regrow.project.training import HalvingSearch, RandomizedSearch, Search, Training

__all__ = [
    "Ab",
    "BaselineGate",
    "Budget",
    "Canary",
    "ChampionGate",
    "CsvSource",
    "Data",
    "DeltaSource",
    "Deployment",
    "DriftRule",
    "EvaluationPlan",
    "Expectation",
    "Gate",
    "GroupSplit",
    "HalvingSearch",
    "Metric",
    "Monitoring",
    "ParquetSource",
    "PerformanceRule",
    "Project",
    "ProjectFile",
    "PythonSource",
    "QualityRule",
    "RandomSplit",
    "RandomizedSearch",
    "Replace",
    "Retraining",
    "RolloutLimits",
    "RolloutPlan",
    "Search",
    "Shadow",
    "SklearnSource",
    "SliceGate",
    "Source",
    "Split",
    "SqlSource",
    "Stage",
    "StratifiedSplit",
    "Strict",
    "ThresholdGate",
    "TimeSplit",
    "Training",
    "Unit",
    "format_duration",
    "json_schema",
    "load_project",
    "parse_duration",
]
