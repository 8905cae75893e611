"""The configuration file as a source of desired state.

What lives here: YAML within bounds, the schema, every problem with its line and cure, the configuration
as immutable values. What this package must not know: the running process.
"""

from roost.settings import diff
from roost.standalone.config import SpeakerConfig
from roost.standalone.environment import absences, environment_problems, firewalls, why_elsewhere
from roost.standalone.loader import Loaded, load
from roost.standalone.problems import Problem

__all__ = [
    "Loaded",
    "Problem",
    "SpeakerConfig",
    "absences",
    "diff",
    "environment_problems",
    "firewalls",
    "load",
    "why_elsewhere",
]
