from .assessment import Assessment, Evidence
from .episodes import Cost
from .policies import Decider, varied_policies
from .settings import FidelitySettings
from .verdict import Verdict, judge

__all__ = [
    "Assessment",
    "Cost",
    "Decider",
    "Evidence",
    "FidelitySettings",
    "Verdict",
    "judge",
    "varied_policies",
]
